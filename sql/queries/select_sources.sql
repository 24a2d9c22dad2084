SELECT workload, dag_id, source, generation, declared_at
FROM sources
ORDER BY workload
