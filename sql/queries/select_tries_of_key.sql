SELECT process_uid, outcome, started_at
FROM tries
WHERE
    dag_id = :dag_id AND run_id = :run_id AND repeat = :repeat AND task_id = :task_id AND map_index = :map_index
    AND try_number = :try_number
