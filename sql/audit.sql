-- name: lock_audit
-- Lock the end of the chain until the transaction ends. A transaction takes this lock last, so that there is no deadlock.
UPDATE audit_head
SET turn = turn + 1
WHERE one = 1
RETURNING row_count, digest;

-- name: select_audit_once
SELECT once
FROM audit
WHERE once IN :names;

-- name: insert_audit
INSERT INTO audit (
    sequence, recorded_at, decided_at, action, outcome, subject, actor, by_person, dag_id, run_id, repeat, reason,
    effect, once, previous, digest
)
VALUES (
    :sequence, :recorded_at, :decided_at, :action, :outcome, :subject, :actor, :by_person, :dag_id, :run_id, :repeat,
    :reason, :effect, :once, :previous, :digest
);

-- name: select_audit_chain
SELECT
    sequence, recorded_at, decided_at, action, outcome, subject, actor, by_person, dag_id, run_id, repeat, reason,
    effect, once, previous, digest
FROM audit
WHERE sequence > :after
ORDER BY sequence
LIMIT :row_limit;

-- name: select_audit_rows
-- Rows of one DAG or of all, newest first.
SELECT
    sequence, recorded_at, decided_at, action, outcome, subject, actor, by_person, dag_id, run_id, repeat, reason,
    effect, once, previous, digest
FROM audit
WHERE CAST(:dag_id AS TEXT) IS NULL OR dag_id = :dag_id
ORDER BY sequence DESC
LIMIT :row_limit;

-- name: select_audit_numbers
-- Newest rows of one DAG.
SELECT sequence
FROM audit
WHERE dag_id = :dag_id AND sequence < :before
ORDER BY sequence DESC
LIMIT :row_limit;

-- name: select_audit_site_numbers
-- Newest rows without a DAG.
SELECT sequence
FROM audit
WHERE dag_id IS NULL AND sequence < :before
ORDER BY sequence DESC
LIMIT :row_limit;

-- name: select_audit_page
-- Rows, newest first, each with the digest of the row before it in the chain.
SELECT
    a.sequence, a.recorded_at, a.decided_at, a.action, a.outcome, a.subject, a.actor, a.by_person, a.dag_id, a.run_id,
    a.repeat, a.reason, a.effect, a.once, a.previous, a.digest, b.digest AS digest_before
FROM audit AS a
LEFT JOIN audit AS b ON b.sequence = a.sequence - 1
WHERE a.sequence IN :numbers
ORDER BY a.sequence DESC;

-- name: select_triggered_by
SELECT actor, by_person
FROM audit
WHERE dag_id = :dag_id AND run_id = :run_id AND action = 'trigger'
ORDER BY sequence
LIMIT 1;

-- name: upsert_settings_seen
-- Change a row only if the value differs: of two processes that see a new value at the same time, one changes the row.
INSERT INTO settings_seen (subject, content, seen_at)
VALUES (:subject, :content, :at)
ON CONFLICT (subject) DO UPDATE SET content = excluded.content, seen_at = excluded.seen_at
WHERE settings_seen.content <> excluded.content;

-- name: select_settings_seen
SELECT content
FROM settings_seen
WHERE subject = :subject;

-- name: select_audit_head
SELECT row_count, digest
FROM audit_head
WHERE one = 1;

-- name: select_newest_answer
-- Newest answer to a run's approval request about a subject, since the repeat with the run's newest verdict.
SELECT a.action, a.actor, a.by_person
FROM audit AS a
WHERE
    a.dag_id = :dag_id AND a.run_id = :run_id AND a.subject = :subject
    AND a.action IN ('approve', 'reject') AND a.outcome = 'done'
    AND a.repeat >= (
        SELECT COALESCE(MAX(r.repeat), 0) FROM runs AS r
        WHERE r.dag_id = :dag_id AND r.run_id = :run_id AND r.verdict IS NOT NULL
    )
ORDER BY a.sequence DESC
LIMIT 1;

-- name: select_newest_taken
-- Time of the newest entry copied from Airflow's log: every row with the outcome "asked" comes from there.
SELECT MAX(decided_at) AS decided_at
FROM audit
WHERE outcome = 'asked';
