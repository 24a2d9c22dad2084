-- Holds the sums of a DAG's day until the transaction ends: two runs that end at once are both in them.
INSERT INTO day_figures (day, dag_id, workload, runs, unmeasured)
SELECT SUBSTR(started_at, 1, 10), dag_id, workload, 0, 0
FROM run_figures
WHERE dag_id = :dag_id AND run_id = :run_id AND repeat = :repeat
ON CONFLICT (day, dag_id) DO UPDATE SET runs = day_figures.runs
RETURNING day
