-- Runs that have not ended, the oldest first, with the moments at which they were last heard of.
SELECT
    f.workload,
    f.run_id,
    f.started_at,
    p.seconds AS predicted_seconds,
    p.stored_at AS planned_at,
    (
        SELECT MAX(t.committed_at)
        FROM tries AS t
        WHERE t.dag_id = f.dag_id AND t.run_id = f.run_id AND t.repeat = f.repeat
    ) AS committed_at
FROM run_figures AS f
LEFT JOIN plans AS p ON p.dag_id = f.dag_id AND p.run_id = f.run_id AND p.repeat = f.repeat
WHERE f.dag_id IN :dag_ids AND f.state = 'running'
ORDER BY f.started_at, f.dag_id, f.run_id
LIMIT :row_limit
