SELECT plan, sha256, repeat
FROM plans
WHERE dag_id = :dag_id AND run_id = :run_id
ORDER BY repeat DESC
LIMIT 1
