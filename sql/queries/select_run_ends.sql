SELECT
    dag_id,
    run_id,
    MAX(CASE WHEN state = 'running' THEN 1 ELSE 0 END) AS is_open,
    MAX(finished_at) AS finished_at
FROM runs
GROUP BY dag_id, run_id
ORDER BY dag_id, run_id
