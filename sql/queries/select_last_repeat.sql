SELECT MAX(repeat) AS repeat
FROM runs
WHERE dag_id = :dag_id AND run_id = :run_id
