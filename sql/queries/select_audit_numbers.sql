-- The newest rows of one DAG.
SELECT sequence
FROM audit
WHERE dag_id = :dag_id AND sequence < :before
ORDER BY sequence DESC
LIMIT :row_limit
