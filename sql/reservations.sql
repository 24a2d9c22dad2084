-- name: insert_budget
INSERT INTO budgets (name, dag_id, amount, unit, predicted, per_joule, per_second, created_at)
VALUES (:name, :dag_id, :amount, :unit, :predicted, :per_joule, :per_second, :at);

-- name: lift_budget
-- Approve all later runs of a backfill, if a name is given.
UPDATE budgets
SET lifted_by = COALESCE(:lifted_by, lifted_by)
WHERE name = :name AND dag_id = :dag_id;

-- name: lock_limit
-- Lock a limit until the transaction ends: of two concurrent runs, the second one sees what the first one reserves.
INSERT INTO limits (scope, name, changes)
VALUES (:scope, :name, 1)
ON CONFLICT (scope, name) DO UPDATE SET changes = limits.changes + 1;

-- name: select_reserved
-- What other runs take of a backfill's budget, of a team's budget of the month in which this run began, and of a site's
-- watts; and what this run has reserved of each. A limit whose name is NULL is not read.
-- Spending counts as measured after a run's end, and as the larger of predicted and measured while it runs. Without a
-- measurement the prediction counts. GPU-hours of a run that began before its team had a budget are unknown.
-- Watts count until the training is committed, the run ends, or they expire.
WITH own AS (
    SELECT
        MAX(started_at) AS started_at,
        COALESCE(CAST(:month AS TEXT), SUBSTR(MAX(started_at), 1, 7)) AS month
    FROM runs
    WHERE dag_id = :dag_id AND run_id = :run_id AND repeat = :repeat
),
backfill AS (
    SELECT COALESCE(SUM(
        CASE WHEN used IS NULL OR (state = 'running' AND used < predicted) THEN predicted ELSE used END
    ), 0) AS spent
    FROM (
        SELECT
            CASE WHEN g.unit = 'kWh' THEN b.kwh ELSE b.money END AS predicted,
            r.state,
            (
                SELECT
                    SUM(t.joules) * g.per_joule
                    + CASE
                        WHEN g.per_second = 0 THEN 0
                        ELSE SUM(t.wall_seconds) * COALESCE(p.cost_per_second, g.per_second)
                    END
                FROM tries AS t
                WHERE t.dag_id = b.dag_id AND t.run_id = b.run_id AND t.repeat = b.repeat
            ) AS used
        FROM reservations AS b
        INNER JOIN budgets AS g ON g.name = b.name
        INNER JOIN runs AS r ON r.dag_id = b.dag_id AND r.run_id = b.run_id AND r.repeat = b.repeat
        LEFT JOIN plans AS p ON p.dag_id = b.dag_id AND p.run_id = b.run_id AND p.repeat = b.repeat
        WHERE
            b.scope = 'backfill' AND b.name = :backfill
            AND NOT (b.dag_id = :dag_id AND b.run_id = :run_id AND b.repeat = :repeat)
    ) AS others
),
team AS (
    SELECT
        COALESCE(SUM(
            CASE WHEN used_kwh IS NULL OR (state = 'running' AND used_kwh < kwh) THEN kwh ELSE used_kwh END
        ), 0) AS kwh,
        COALESCE(SUM(
            CASE WHEN used_gpu_hours IS NULL OR (state = 'running' AND used_gpu_hours < gpu_hours) THEN gpu_hours
                ELSE used_gpu_hours
            END
        ), 0) AS gpu_hours,
        COALESCE(SUM(
            CASE WHEN used_money IS NULL OR (state = 'running' AND used_money < money) THEN money ELSE used_money END
        ), 0) AS money
    FROM (
        SELECT
            r.state,
            COALESCE(s.kwh, p.joules / 3.6e6) AS kwh,
            s.gpu_hours AS gpu_hours,
            COALESCE(s.money, p.cost) AS money,
            f.measured_joules / 3.6e6 AS used_kwh,
            (
                SELECT SUM(t.wall_seconds)
                FROM tries AS t
                WHERE t.dag_id = r.dag_id AND t.run_id = r.run_id AND t.repeat = r.repeat AND t.step = 'train'
            ) * s.gpus / 3600 AS used_gpu_hours,
            COALESCE(
                f.cost,
                f.measured_joules * CAST(:per_joule AS DOUBLE PRECISION)
                + f.measured_seconds * CAST(:per_second AS DOUBLE PRECISION)
            ) AS used_money
        FROM own
        INNER JOIN runs AS r ON r.started_at >= own.month || '-01' AND r.started_at < own.month || '-32'
        LEFT JOIN run_figures AS f ON f.dag_id = r.dag_id AND f.run_id = r.run_id AND f.repeat = r.repeat
        LEFT JOIN plans AS p ON p.dag_id = r.dag_id AND p.run_id = r.run_id AND p.repeat = r.repeat
        LEFT JOIN reservations AS s
            ON s.scope = 'team' AND s.dag_id = r.dag_id AND s.run_id = r.run_id AND s.repeat = r.repeat
        WHERE
            r.team = :team AND r.site = :team_site
            AND NOT (r.dag_id = :dag_id AND r.run_id = :run_id AND r.repeat = :repeat)
    ) AS others
),
site AS (
    SELECT
        COALESCE(SUM(CASE WHEN c.taken_until > :at THEN c.watts END), 0) AS watts,
        COUNT(
            CASE
                WHEN c.taken_until IS NULL AND c.changed_at > :seen_since
                    AND (c.asked_at, c.dag_id, c.run_id) < (
                        COALESCE((
                            SELECT MAX(asked_at)
                            FROM reservations
                            WHERE scope = 'site' AND dag_id = :dag_id AND run_id = :run_id AND repeat = :repeat
                        ), :at), :dag_id, :run_id
                    ) THEN 1
            END
        ) AS ahead
    FROM reservations AS c
    INNER JOIN runs AS r ON r.dag_id = c.dag_id AND r.run_id = c.run_id AND r.repeat = c.repeat
    WHERE
        c.scope = 'site' AND c.name = :site
        AND r.state = 'running'
        AND NOT (c.dag_id = :dag_id AND c.run_id = :run_id AND c.repeat = :repeat)
        AND NOT EXISTS (
            SELECT 1
            FROM tries AS t
            WHERE
                t.dag_id = c.dag_id AND t.run_id = c.run_id AND t.repeat = c.repeat AND t.step = 'train'
                AND t.outcome = 'ok'
        )
)
SELECT
    own.started_at, backfill.spent, team.kwh, team.gpu_hours, team.money, site.watts, site.ahead,
    g.amount, g.unit, g.predicted, g.per_joule, g.per_second, g.lifted_by,
    b.approved_by AS backfill_approved_by, s.approved_by AS team_approved_by, c.asked_at, c.taken_until
FROM own
CROSS JOIN backfill
CROSS JOIN team
CROSS JOIN site
LEFT JOIN budgets AS g ON g.name = :backfill AND g.dag_id = :dag_id
LEFT JOIN reservations AS b
    ON b.scope = 'backfill' AND b.name = :backfill AND b.dag_id = :dag_id AND b.run_id = :run_id AND b.repeat = :repeat
LEFT JOIN reservations AS s
    ON s.scope = 'team' AND s.dag_id = :dag_id AND s.run_id = :run_id AND s.repeat = :repeat
LEFT JOIN reservations AS c
    ON c.scope = 'site' AND c.dag_id = :dag_id AND c.run_id = :run_id AND c.repeat = :repeat;

-- name: upsert_reservation
-- A run keeps its place in the queue and its approval; without amounts, as in an approval, also what it has reserved.
INSERT INTO reservations (
    scope, name, dag_id, run_id, repeat, kwh, gpu_hours, money, gpus, watts, past, approved_by, asked_at, changed_at,
    taken_until
)
VALUES (
    :scope, :name, :dag_id, :run_id, :repeat, :kwh, :gpu_hours, :money, :gpus, :watts, :past, :approved_by, :at, :at,
    :taken_until
)
ON CONFLICT (scope, dag_id, run_id, repeat) DO UPDATE SET
    name = excluded.name,
    kwh = COALESCE(excluded.kwh, reservations.kwh),
    gpu_hours = COALESCE(excluded.gpu_hours, reservations.gpu_hours),
    money = COALESCE(excluded.money, reservations.money),
    gpus = COALESCE(excluded.gpus, reservations.gpus),
    watts = COALESCE(excluded.watts, reservations.watts),
    past = COALESCE(excluded.past, reservations.past),
    approved_by = COALESCE(excluded.approved_by, reservations.approved_by),
    changed_at = excluded.changed_at,
    taken_until = excluded.taken_until;
