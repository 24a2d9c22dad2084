SELECT
    sequence, recorded_at, decided_at, action, outcome, subject, actor, by_person, dag_id, run_id, repeat, reason,
    effect, once, previous, digest
FROM audit
WHERE sequence > :after
ORDER BY sequence
LIMIT :row_limit
