-- The newest rows that are no DAG's.
SELECT sequence
FROM audit
WHERE dag_id IS NULL AND sequence < :before
ORDER BY sequence DESC
LIMIT :row_limit
