-- What the other runs of a budget take: what was measured once they have ended, and while they run what was predicted,
-- or what was measured where that is more already. What nobody measured counts as predicted.
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
) AS others
