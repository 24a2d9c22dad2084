-- name: insert_budget
INSERT INTO budgets (name, dag_id, amount, unit, predicted, per_joule, per_second, created_at, revision)
VALUES (:name, :dag_id, :amount, :unit, :predicted, :per_joule, :per_second, :at, 0);

-- name: select_budget
SELECT name, dag_id, amount, unit, predicted, per_joule, per_second, lifted_by
FROM budgets
WHERE name = :name AND dag_id = :dag_id;

-- name: select_budget_spent
-- Spending of a budget's other runs: measured after their end, and the larger of predicted and measured while they run.
-- Without a measurement the prediction counts.
SELECT COALESCE(SUM(
    CASE WHEN used IS NULL OR (state = 'running' AND used < predicted) THEN predicted ELSE used END
), 0) AS spent
FROM (
    SELECT
        b.predicted,
        r.state,
        (
            SELECT
                SUM(t.joules) * g.per_joule
                + CASE WHEN g.per_second = 0 THEN 0 ELSE SUM(t.wall_seconds) * COALESCE(p.cost_per_second, g.per_second) END
            FROM tries AS t
            WHERE t.dag_id = b.dag_id AND t.run_id = b.run_id AND t.repeat = b.repeat
        ) AS used
    FROM budget_runs AS b
    INNER JOIN budgets AS g ON g.name = b.budget
    INNER JOIN runs AS r ON r.dag_id = b.dag_id AND r.run_id = b.run_id AND r.repeat = b.repeat
    LEFT JOIN plans AS p ON p.dag_id = b.dag_id AND p.run_id = b.run_id AND p.repeat = b.repeat
    WHERE b.budget = :budget AND NOT (b.dag_id = :dag_id AND b.run_id = :run_id AND b.repeat = :repeat)
) AS others;

-- name: select_budget_run
SELECT predicted, approved_by
FROM budget_runs
WHERE budget = :budget AND dag_id = :dag_id AND run_id = :run_id AND repeat = :repeat;

-- name: upsert_budget_run
INSERT INTO budget_runs (budget, dag_id, run_id, repeat, predicted, approved_by, changed_at)
VALUES (:budget, :dag_id, :run_id, :repeat, :predicted, :approved_by, :at)
ON CONFLICT (budget, dag_id, run_id, repeat) DO UPDATE SET
    predicted = excluded.predicted,
    approved_by = COALESCE(excluded.approved_by, budget_runs.approved_by),
    changed_at = excluded.changed_at;

-- name: lock_budget
-- Lock the budget until the transaction ends: of two concurrent runs, the second one sees what the first one takes.
UPDATE budgets
SET revision = revision + 1, lifted_by = COALESCE(:lifted_by, lifted_by)
WHERE name = :name AND dag_id = :dag_id
RETURNING name, dag_id, amount, unit, predicted, per_joule, per_second, lifted_by;
