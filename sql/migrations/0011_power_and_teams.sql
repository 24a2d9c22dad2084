-- What runs share beside each other: a site's watts, and a team's budget of a month.

-- Watts of a site that trainings draw together, as predicted: who asked for them and when, and until when who has them.

CREATE TABLE power_claims (
    dag_id TEXT NOT NULL,
    run_id TEXT NOT NULL,
    repeat INTEGER NOT NULL,
    site TEXT NOT NULL,
    watts DOUBLE PRECISION NOT NULL,
    asked_at TEXT NOT NULL,
    seen_at TEXT NOT NULL,
    taken_until TEXT,
    PRIMARY KEY (dag_id, run_id, repeat),
    FOREIGN KEY (dag_id, run_id, repeat) REFERENCES runs (dag_id, run_id, repeat)
);

CREATE INDEX power_claims_by_site ON power_claims (site, asked_at);

-- One row a site: updating it is the lock under which its watts are taken.
CREATE TABLE power_sites (
    site TEXT NOT NULL PRIMARY KEY,
    changes BIGINT NOT NULL
);

-- What a run of a team that has a budget is predicted to take in all, on how many GPUs, and in what (`past`) it went past it.
CREATE TABLE team_runs (
    dag_id TEXT NOT NULL,
    run_id TEXT NOT NULL,
    repeat INTEGER NOT NULL,
    kwh DOUBLE PRECISION NOT NULL,
    gpu_hours DOUBLE PRECISION NOT NULL,
    money DOUBLE PRECISION,
    gpus DOUBLE PRECISION NOT NULL,
    past TEXT,
    approved_by TEXT,
    changed_at TEXT NOT NULL,
    PRIMARY KEY (dag_id, run_id, repeat),
    FOREIGN KEY (dag_id, run_id, repeat) REFERENCES runs (dag_id, run_id, repeat)
);

-- One row a team: updating it is the lock under which its budgets are taken.
CREATE TABLE teams (
    team TEXT NOT NULL PRIMARY KEY,
    changes BIGINT NOT NULL
);
