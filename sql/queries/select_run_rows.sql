SELECT s.*, f.seconds_error, f.joules_error
FROM run_summary AS s
INNER JOIN run_figures AS f ON f.dag_id = s.dag_id AND f.run_id = s.run_id AND f.repeat = s.repeat
WHERE s.dag_id IN :dag_ids AND s.run_id IN :run_ids
