-- The newest rows first, of one DAG or of all.
SELECT
    sequence, recorded_at, decided_at, action, outcome, subject, actor, by_person, dag_id, run_id, repeat, reason,
    effect, once, previous, digest
FROM audit
WHERE CAST(:dag_id AS TEXT) IS NULL OR dag_id = :dag_id
ORDER BY sequence DESC
LIMIT :row_limit
