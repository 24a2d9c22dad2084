-- The same task and the same start of its meter is the same process, whatever name it is given.
SELECT try_number, process_uid
FROM tries
WHERE
    dag_id = :dag_id AND run_id = :run_id AND repeat = :repeat AND task_id = :task_id AND map_index = :map_index
    AND started_at = :started_at
LIMIT 1
