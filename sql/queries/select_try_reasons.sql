SELECT task_id, map_index, outcome, reason, reason_code
FROM tries
WHERE dag_id = :dag_id AND run_id = :run_id AND repeat = :repeat
ORDER BY committed_at, try_number
