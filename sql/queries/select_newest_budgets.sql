SELECT name, dag_id, amount, unit, predicted, lifted_by, created_at
FROM budgets
WHERE dag_id IN :dag_ids
ORDER BY created_at DESC, name
LIMIT :row_limit
