SELECT workload, dag_id, source, declared_at
FROM sources
ORDER BY workload
