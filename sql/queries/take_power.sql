UPDATE power_claims
SET taken_until = :taken_until
WHERE dag_id = :dag_id AND run_id = :run_id AND repeat = :repeat
