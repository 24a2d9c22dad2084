SELECT team, site, started_at
FROM runs
WHERE dag_id = :dag_id AND run_id = :run_id AND repeat = :repeat
