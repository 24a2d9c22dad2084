INSERT INTO budgets (name, dag_id, amount, unit, predicted, per_joule, per_second, created_at, revision)
VALUES (:name, :dag_id, :amount, :unit, :predicted, :per_joule, :per_second, :at, 0)
