SELECT actor, by_person
FROM audit
WHERE dag_id = :dag_id AND run_id = :run_id AND action = 'trigger'
ORDER BY sequence
LIMIT 1
