-- Holds the budget until the transaction ends: of two runs side by side the second one sees what the first one takes.
UPDATE budgets
SET revision = revision + 1, lifted_by = COALESCE(:lifted_by, lifted_by)
WHERE name = :name AND dag_id = :dag_id
RETURNING name, dag_id, amount, unit, predicted, per_joule, per_second, lifted_by
