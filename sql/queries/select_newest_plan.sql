-- Of the DAG's runs that were planned, the last one to begin.
SELECT p.plan
FROM run_figures AS f
INNER JOIN plans AS p ON p.dag_id = f.dag_id AND p.run_id = f.run_id AND p.repeat = f.repeat
WHERE f.dag_id = :dag_id
ORDER BY f.started_at DESC, f.run_id DESC, f.repeat DESC
LIMIT 1
