-- One table for what runs reserve under a limit: a backfill's budget, a team's budget of a month, or a site's watts. One row
-- of `limits` a limit: updating it is the lock under which it is reserved.

CREATE TABLE reservations (
    scope TEXT NOT NULL CHECK (scope IN ('backfill', 'team', 'site')),
    name TEXT NOT NULL,
    dag_id TEXT NOT NULL,
    run_id TEXT NOT NULL,
    repeat INTEGER NOT NULL,
    kwh DOUBLE PRECISION,
    gpu_hours DOUBLE PRECISION,
    money DOUBLE PRECISION,
    gpus DOUBLE PRECISION,
    watts DOUBLE PRECISION,
    past TEXT,
    approved_by TEXT,
    asked_at TEXT NOT NULL,
    changed_at TEXT NOT NULL,
    taken_until TEXT,
    PRIMARY KEY (scope, dag_id, run_id, repeat),
    FOREIGN KEY (dag_id, run_id, repeat) REFERENCES runs (dag_id, run_id, repeat)
);

CREATE INDEX reservations_by_limit ON reservations (scope, name, asked_at);

CREATE TABLE limits (
    scope TEXT NOT NULL,
    name TEXT NOT NULL,
    changes BIGINT NOT NULL,
    PRIMARY KEY (scope, name)
);

INSERT INTO reservations (scope, name, dag_id, run_id, repeat, kwh, money, approved_by, asked_at, changed_at)
SELECT
    'backfill', b.budget, b.dag_id, b.run_id, b.repeat,
    CASE WHEN g.unit = 'kWh' THEN b.predicted END,
    CASE WHEN g.unit <> 'kWh' THEN b.predicted END,
    b.approved_by, b.changed_at, b.changed_at
FROM budget_runs AS b
INNER JOIN budgets AS g ON g.name = b.budget
WHERE TRUE
ORDER BY b.changed_at DESC
ON CONFLICT DO NOTHING;

INSERT INTO reservations (
    scope, name, dag_id, run_id, repeat, kwh, gpu_hours, money, gpus, past, approved_by, asked_at, changed_at
)
SELECT
    'team', r.team, s.dag_id, s.run_id, s.repeat, s.kwh, s.gpu_hours, s.money, s.gpus, s.past, s.approved_by,
    s.changed_at, s.changed_at
FROM team_runs AS s
INNER JOIN runs AS r ON r.dag_id = s.dag_id AND r.run_id = s.run_id AND r.repeat = s.repeat;

INSERT INTO reservations (scope, name, dag_id, run_id, repeat, watts, asked_at, changed_at, taken_until)
SELECT 'site', site, dag_id, run_id, repeat, watts, asked_at, seen_at, taken_until
FROM power_claims;

DROP TABLE budget_runs;
DROP TABLE team_runs;
DROP TABLE power_claims;
DROP TABLE teams;
DROP TABLE power_sites;
ALTER TABLE budgets DROP COLUMN revision;
