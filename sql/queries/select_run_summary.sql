SELECT *
FROM run_summary
WHERE (CAST(:dag_id AS TEXT) IS NULL OR dag_id = :dag_id) AND (CAST(:run_id AS TEXT) IS NULL OR run_id = :run_id)
ORDER BY started_at DESC, dag_id, run_id, repeat DESC
LIMIT :row_limit
