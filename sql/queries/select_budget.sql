SELECT name, dag_id, amount, unit, predicted, per_joule, per_second, lifted_by
FROM budgets
WHERE name = :name AND dag_id = :dag_id
