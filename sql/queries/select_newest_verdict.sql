SELECT verdict
FROM runs
WHERE dag_id = :dag_id AND run_id = :run_id AND verdict IS NOT NULL
ORDER BY repeat DESC
LIMIT 1
