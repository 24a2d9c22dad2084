-- A process that was counted as lost while it still worked: a later reading of it takes the row's place.
DELETE FROM tries
WHERE
    dag_id = :dag_id AND run_id = :run_id AND repeat = :repeat AND task_id = :task_id AND map_index = :map_index
    AND outcome = 'lost' AND started_at = :started_at AND wall_seconds < :wall_seconds
