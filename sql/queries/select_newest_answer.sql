-- The newest answer to what a run asked about a subject, since the repeat that has its newest verdict.
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
LIMIT 1
