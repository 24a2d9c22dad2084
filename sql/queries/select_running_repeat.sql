SELECT repeat, workload
FROM runs
WHERE dag_id = :dag_id AND run_id = :run_id AND state = 'running'
