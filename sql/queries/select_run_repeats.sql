SELECT s.*, f.seconds_error, f.joules_error, r.verdict, r.run_type
FROM run_summary AS s
INNER JOIN runs AS r ON r.dag_id = s.dag_id AND r.run_id = s.run_id AND r.repeat = s.repeat
LEFT JOIN run_figures AS f ON f.dag_id = s.dag_id AND f.run_id = s.run_id AND f.repeat = s.repeat
WHERE s.dag_id = :dag_id AND s.run_id = :run_id
ORDER BY s.repeat DESC
