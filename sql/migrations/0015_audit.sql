-- Who decided, or was refused, what, when and why. Rows are inserted and never changed, and each carries the digest of the
-- one before. `decided_at` is when it happened, `recorded_at` when the row was written. `once` names what must not be
-- recorded twice. What keeps rows as they are is in the folders sqlite and postgresql.

CREATE TABLE audit (
    sequence BIGINT NOT NULL PRIMARY KEY CHECK (sequence > 0),
    recorded_at TEXT NOT NULL,
    decided_at TEXT NOT NULL,
    action TEXT NOT NULL,
    outcome TEXT NOT NULL CHECK (outcome IN ('done', 'refused', 'asked')),
    subject TEXT NOT NULL,
    actor TEXT NOT NULL,
    by_person INTEGER NOT NULL CHECK (by_person IN (0, 1)),
    dag_id TEXT,
    run_id TEXT,
    repeat INTEGER,
    reason TEXT NOT NULL,
    effect TEXT NOT NULL,
    once TEXT UNIQUE,
    previous TEXT NOT NULL,
    digest TEXT NOT NULL UNIQUE
);

CREATE INDEX audit_by_dag ON audit (dag_id, sequence);

CREATE INDEX audit_by_run ON audit (dag_id, run_id, sequence);

CREATE INDEX audit_asked ON audit (decided_at) WHERE outcome = 'asked';

-- The chain's end, in a second place, so that rows cut off at the end are missed. Updating `turn` is the lock under
-- which the next row is made, and the rest is moved by inserting that row alone.
CREATE TABLE audit_head (
    one INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    row_count BIGINT NOT NULL,
    digest TEXT NOT NULL,
    turn BIGINT NOT NULL
);

INSERT INTO audit_head (one, row_count, digest, turn)
VALUES (1, 0, '0000000000000000000000000000000000000000000000000000000000000000', 0);

-- What was in force when a run last looked (a site's settings, a workload's declaration), so that a change is seen.
CREATE TABLE settings_seen (
    subject TEXT NOT NULL PRIMARY KEY,
    content TEXT NOT NULL,
    seen_at TEXT NOT NULL
);
