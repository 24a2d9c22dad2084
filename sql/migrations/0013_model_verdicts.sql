-- A verdict is a run's, not the version's: events say who acted, so that a version which a run turned down may be
-- judged again by a later one, while one that a person took back waits for a person.

CREATE TABLE model_events_by_actor (
    workload TEXT NOT NULL,
    sequence BIGINT NOT NULL,
    version TEXT NOT NULL,
    event TEXT NOT NULL CHECK (
        event IN ('registered', 'promoted', 'retired', 'restored', 'rejected', 'rolled_back', 'readmitted')
    ),
    actor TEXT NOT NULL,
    by_person INTEGER NOT NULL CHECK (by_person IN (0, 1)),
    dag_id TEXT,
    run_id TEXT,
    repeat INTEGER,
    from_state TEXT,
    reason TEXT NOT NULL,
    at TEXT NOT NULL,
    PRIMARY KEY (workload, sequence),
    FOREIGN KEY (workload, version) REFERENCES models (workload, version)
);

-- Until now the pages were the only door for people, and each of their events ends like this.
INSERT INTO model_events_by_actor (workload, sequence, version, event, actor, by_person, reason, at)
SELECT
    workload,
    sequence,
    version,
    event,
    actor,
    CASE WHEN REPLACE(actor, ' in Airflow''s UI', '') <> actor THEN 1 ELSE 0 END,
    reason,
    at
FROM model_events;

DROP TABLE model_events;

ALTER TABLE model_events_by_actor RENAME TO model_events;

CREATE INDEX model_events_by_version ON model_events (workload, version, sequence);
