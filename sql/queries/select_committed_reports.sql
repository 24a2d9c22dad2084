SELECT report
FROM tries
WHERE dag_id = :dag_id AND run_id = :run_id AND task_id = :task_id AND outcome IN ('ok', 'skipped')
ORDER BY repeat DESC, committed_at DESC, try_number DESC
