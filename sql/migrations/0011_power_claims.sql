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
