UPDATE runs
SET
    state = :state, reason = :reason, reason_code = :reason_code, decision = COALESCE(:decision, decision),
    finished_at = :at
WHERE dag_id = :dag_id AND run_id = :run_id AND repeat = :repeat AND state = 'running'
