-- Energy in three accounts that are kept apart (active, idle, the building's), by phase, and as meters saw it from outside.

ALTER TABLE tries ADD COLUMN idle_joules DOUBLE PRECISION;

ALTER TABLE runs ADD COLUMN pue DOUBLE PRECISION;

CREATE TABLE phases (
    dag_id TEXT NOT NULL,
    run_id TEXT NOT NULL,
    repeat INTEGER NOT NULL,
    task_id TEXT NOT NULL,
    map_index INTEGER NOT NULL,
    try_number INTEGER NOT NULL,
    process_uid TEXT NOT NULL,
    phase TEXT NOT NULL,
    wall_seconds DOUBLE PRECISION NOT NULL,
    cpu_seconds DOUBLE PRECISION NOT NULL,
    joules DOUBLE PRECISION,
    idle_joules DOUBLE PRECISION,
    energy_coverage DOUBLE PRECISION,
    PRIMARY KEY (dag_id, run_id, repeat, task_id, map_index, try_number, process_uid, phase),
    FOREIGN KEY (dag_id, run_id, repeat, task_id, map_index, try_number, process_uid)
        REFERENCES tries (dag_id, run_id, repeat, task_id, map_index, try_number, process_uid) ON DELETE CASCADE
);

-- A run's joules by the meters that a Prometheus scrapes. Too little coverage is NULL with a reason.
CREATE TABLE metered_runs (
    dag_id TEXT NOT NULL,
    run_id TEXT NOT NULL,
    repeat INTEGER NOT NULL,
    joules DOUBLE PRECISION,
    coverage DOUBLE PRECISION NOT NULL,
    meter TEXT,
    reason TEXT,
    measured_at TEXT NOT NULL,
    PRIMARY KEY (dag_id, run_id, repeat),
    CHECK ((joules IS NULL) = (reason IS NOT NULL)),
    FOREIGN KEY (dag_id, run_id, repeat) REFERENCES runs (dag_id, run_id, repeat)
);

-- joules = active_joules + idle_joules, at the machines, and facility_joules is with the building's share.
CREATE VIEW run_energy AS
SELECT
    r.dag_id AS dag_id,
    r.run_id AS run_id,
    r.repeat AS repeat,
    r.workload AS workload,
    r.team AS team,
    r.site AS site,
    t.joules - t.idle_joules AS active_joules,
    t.idle_joules AS idle_joules,
    t.joules AS joules,
    r.pue AS pue,
    t.joules * r.pue AS facility_joules,
    m.joules AS metered_joules,
    m.coverage AS metered_coverage,
    m.meter AS meter,
    m.reason AS metered_reason
FROM runs AS r
LEFT JOIN metered_runs AS m ON m.dag_id = r.dag_id AND m.run_id = r.run_id AND m.repeat = r.repeat
LEFT JOIN (
    SELECT
        dag_id,
        run_id,
        repeat,
        SUM(joules) AS joules,
        CASE WHEN COUNT(joules) = COUNT(idle_joules) THEN SUM(idle_joules) END AS idle_joules
    FROM tries
    GROUP BY dag_id, run_id, repeat
) AS t ON t.dag_id = r.dag_id AND t.run_id = r.run_id AND t.repeat = r.repeat;
