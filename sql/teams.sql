-- name: select_team_run
SELECT past, approved_by
FROM team_runs
WHERE dag_id = :dag_id AND run_id = :run_id AND repeat = :repeat;

-- name: lock_team
-- Lock the team's spending until the transaction ends: of two concurrent runs, the second one sees what the first takes.
INSERT INTO teams (team, changes)
VALUES (:team, 1)
ON CONFLICT (team) DO UPDATE SET changes = teams.changes + 1;

-- name: select_team_spent
-- Spending of a team's runs at a site that began in a month: measured after their end, and the larger of predicted and
-- measured while they run. Without a measurement the prediction counts. GPU-hours of a run that began before its team had
-- a budget are unknown.
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
    FROM runs AS r
    LEFT JOIN run_figures AS f ON f.dag_id = r.dag_id AND f.run_id = r.run_id AND f.repeat = r.repeat
    LEFT JOIN plans AS p ON p.dag_id = r.dag_id AND p.run_id = r.run_id AND p.repeat = r.repeat
    LEFT JOIN team_runs AS s ON s.dag_id = r.dag_id AND s.run_id = r.run_id AND s.repeat = r.repeat
    WHERE
        r.team = :team AND r.site = :site AND r.started_at >= :since AND r.started_at < :until
        AND NOT (r.dag_id = :dag_id AND r.run_id = :run_id AND r.repeat = :repeat)
) AS others;

-- name: upsert_team_run
INSERT INTO team_runs (dag_id, run_id, repeat, kwh, gpu_hours, money, gpus, past, approved_by, changed_at)
VALUES (:dag_id, :run_id, :repeat, :kwh, :gpu_hours, :money, :gpus, :past, :approved_by, :at)
ON CONFLICT (dag_id, run_id, repeat) DO UPDATE SET
    kwh = excluded.kwh,
    gpu_hours = excluded.gpu_hours,
    money = excluded.money,
    gpus = excluded.gpus,
    past = COALESCE(excluded.past, team_runs.past),
    approved_by = COALESCE(excluded.approved_by, team_runs.approved_by),
    changed_at = excluded.changed_at;
