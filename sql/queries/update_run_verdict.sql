UPDATE runs
SET verdict = :verdict, decision = :decision
WHERE dag_id = :dag_id AND run_id = :run_id AND repeat = :repeat
