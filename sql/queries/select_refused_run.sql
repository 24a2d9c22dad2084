-- A row where this repeat came no further than a failed division of its days.
SELECT t.dag_id
FROM tries AS t
WHERE t.dag_id = :dag_id AND t.run_id = :run_id AND t.repeat = :repeat AND t.step <> 'close'
GROUP BY t.dag_id
HAVING COUNT(*) = SUM(CASE WHEN t.step = 'divide' AND t.outcome = 'failed' THEN 1 ELSE 0 END)
