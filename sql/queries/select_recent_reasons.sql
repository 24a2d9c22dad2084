-- Why runs ended that began of late.
SELECT workload, COALESCE(reason_code, 'unknown') AS reason_code, COUNT(*) AS runs
FROM runs
WHERE dag_id IN :dag_ids AND started_at >= :since AND state <> 'running'
GROUP BY workload, COALESCE(reason_code, 'unknown')
