-- Some rows, the newest first, with the digest of the row that each was written after.
SELECT
    a.sequence, a.recorded_at, a.decided_at, a.action, a.outcome, a.subject, a.actor, a.by_person, a.dag_id, a.run_id,
    a.repeat, a.reason, a.effect, a.once, a.previous, a.digest, b.digest AS digest_before
FROM audit AS a
LEFT JOIN audit AS b ON b.sequence = a.sequence - 1
WHERE a.sequence IN :numbers
ORDER BY a.sequence DESC
