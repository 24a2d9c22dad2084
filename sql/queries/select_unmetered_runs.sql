-- Runs that ended of late and that no meter was asked about, or that no meter answered about.
SELECT r.dag_id, r.run_id, r.repeat, r.finished_at
FROM runs AS r
LEFT JOIN metered_runs AS m ON m.dag_id = r.dag_id AND m.run_id = r.run_id AND m.repeat = r.repeat
WHERE r.finished_at >= :since AND (m.dag_id IS NULL OR (m.joules IS NULL AND m.coverage = 0))
ORDER BY r.finished_at
LIMIT 1000
