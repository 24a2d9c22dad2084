INSERT INTO budget_runs (budget, dag_id, run_id, repeat, predicted, approved_by, changed_at)
VALUES (:budget, :dag_id, :run_id, :repeat, :predicted, :approved_by, :at)
ON CONFLICT (budget, dag_id, run_id, repeat) DO UPDATE SET
    predicted = excluded.predicted,
    approved_by = COALESCE(excluded.approved_by, budget_runs.approved_by),
    changed_at = excluded.changed_at
