SELECT dag_id, run_id, repeat, workload, partition_first, partition_last, run_type, started_at
FROM runs
WHERE state = 'running' AND (CAST(:workload AS TEXT) IS NULL OR workload = :workload)
ORDER BY started_at, dag_id, run_id
