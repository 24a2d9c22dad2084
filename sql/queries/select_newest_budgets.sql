SELECT
    g.name,
    g.dag_id,
    g.amount,
    g.unit,
    g.predicted,
    g.lifted_by,
    g.created_at,
    (SELECT MAX(b.changed_at) FROM budget_runs AS b WHERE b.budget = g.name) AS taken_at
FROM budgets AS g
WHERE g.dag_id IN :dag_ids
ORDER BY g.created_at DESC, g.name
LIMIT :row_limit
