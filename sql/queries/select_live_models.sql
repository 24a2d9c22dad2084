SELECT workload, version, dag_id, promoted_at, dataset_until
FROM models
WHERE state = 'live' AND dag_id IN :dag_ids
ORDER BY workload
