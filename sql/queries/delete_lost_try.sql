-- A process that was taken for lost reported after all: its report holds what the row held, and more.
DELETE FROM tries
WHERE
    dag_id = :dag_id AND run_id = :run_id AND repeat = :repeat AND task_id = :task_id AND map_index = :map_index
    AND outcome = 'lost'
    AND ((try_number = :try_number AND process_uid = :process_uid) OR started_at = :started_at)
