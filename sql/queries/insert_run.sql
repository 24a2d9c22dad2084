-- Opens the next repeat; while one is running, the index one_running_repeat lets no other in.
INSERT INTO runs (
    dag_id, run_id, repeat, workload, team, site, partition_first, partition_last, run_type, state, quality_metric,
    pue, generation, started_at, revision
)
SELECT
    :dag_id, :run_id, COALESCE(MAX(repeat) + 1, 0), :workload, :team, :site, :partition_first, :partition_last,
    :run_type, 'running', :quality_metric, :pue, :generation, :at, 0
FROM runs
WHERE dag_id = :dag_id AND run_id = :run_id
ON CONFLICT DO NOTHING
