SELECT role, version, quality, energy_method
FROM evaluations
WHERE dag_id = :dag_id AND run_id = :run_id AND repeat = :repeat
ORDER BY role
