SELECT past, approved_by
FROM team_runs
WHERE dag_id = :dag_id AND run_id = :run_id AND repeat = :repeat
