-- name: insert_run
-- Enter the next repeat; the index one_running_repeat refuses it while another repeat is running.
INSERT INTO runs (
    dag_id, run_id, repeat, workload, team, site, partition_first, partition_last, run_type, state, quality_metric,
    pue, generation, started_at, revision
)
SELECT
    :dag_id, :run_id, COALESCE(MAX(repeat) + 1, 0), :workload, :team, :site, :partition_first, :partition_last,
    :run_type, 'running', :quality_metric, :pue, :generation, :at, 0
FROM runs
WHERE dag_id = :dag_id AND run_id = :run_id
ON CONFLICT DO NOTHING;

-- name: upsert_source
INSERT INTO sources (workload, dag_id, source, generation, declared_at)
VALUES (:workload, :dag_id, :source, :generation, :at)
ON CONFLICT (workload) DO UPDATE SET
    dag_id = excluded.dag_id,
    source = excluded.source,
    generation = excluded.generation,
    declared_at = excluded.declared_at
WHERE
    sources.source <> excluded.source
    OR sources.generation <> excluded.generation
    OR sources.dag_id <> excluded.dag_id;

-- name: select_running_repeat
SELECT repeat, workload
FROM runs
WHERE dag_id = :dag_id AND run_id = :run_id AND state = 'running';

-- name: lock_run
-- Lock the run until the transaction ends: commits, plans and the end of one run are serialised.
UPDATE runs
SET revision = revision + 1
WHERE dag_id = :dag_id AND run_id = :run_id AND repeat = :repeat
RETURNING workload, state, partition_first, partition_last, team, site, started_at, generation;

-- name: refresh_run_figures
INSERT INTO run_figures (
    dag_id, run_id, repeat, workload, state, started_at, measured_seconds, measured_peak_memory_bytes,
    measured_peak_gpu_memory_bytes, measured_joules, energy_method, energy_coverage, cost, currency, quality,
    seconds_error, joules_error
)
SELECT
    dag_id, run_id, repeat, workload, state, started_at, measured_seconds, measured_peak_memory_bytes,
    measured_peak_gpu_memory_bytes, measured_joules, energy_method, energy_coverage, cost, currency, quality,
    seconds_error, joules_error
FROM run_figures_now
WHERE dag_id = :dag_id AND run_id = :run_id AND repeat = :repeat
ON CONFLICT (dag_id, run_id, repeat) DO UPDATE SET
    state = excluded.state,
    measured_seconds = excluded.measured_seconds,
    measured_peak_memory_bytes = excluded.measured_peak_memory_bytes,
    measured_peak_gpu_memory_bytes = excluded.measured_peak_gpu_memory_bytes,
    measured_joules = excluded.measured_joules,
    energy_method = excluded.energy_method,
    energy_coverage = excluded.energy_coverage,
    cost = excluded.cost,
    currency = excluded.currency,
    quality = excluded.quality,
    seconds_error = excluded.seconds_error,
    joules_error = excluded.joules_error;

-- name: lock_day
-- Lock the sums of a DAG's day until the transaction ends: two runs that end at the same time are both counted.
INSERT INTO day_figures (day, dag_id, workload, runs, unmeasured)
SELECT SUBSTR(started_at, 1, 10), dag_id, workload, 0, 0
FROM run_figures
WHERE dag_id = :dag_id AND run_id = :run_id AND repeat = :repeat
ON CONFLICT (day, dag_id) DO UPDATE SET runs = day_figures.runs
RETURNING day;

-- name: refresh_day_figures
UPDATE day_figures
SET
    (runs, unmeasured, joules, estimated_joules, seconds, cost, currency) = (
        SELECT
            COUNT(*),
            SUM(CASE WHEN measured_joules IS NULL THEN 1 ELSE 0 END),
            SUM(measured_joules),
            SUM(CASE WHEN energy_method = 'estimated' THEN measured_joules END),
            SUM(measured_seconds),
            CASE WHEN MIN(currency) = MAX(currency) THEN SUM(cost) END,
            CASE WHEN MIN(currency) = MAX(currency) THEN MIN(currency) END
        FROM run_figures
        WHERE run_figures.dag_id = :dag_id AND run_figures.started_at >= :day AND run_figures.started_at < :next_day
    )
WHERE day = :day AND dag_id = :dag_id;

-- name: close_run
UPDATE runs
SET
    state = :state, reason = :reason, reason_code = :reason_code, decision = COALESCE(:decision, decision),
    finished_at = :at
WHERE dag_id = :dag_id AND run_id = :run_id AND repeat = :repeat AND state = 'running';

-- name: update_run_verdict
UPDATE runs
SET verdict = :verdict, decision = :decision
WHERE dag_id = :dag_id AND run_id = :run_id AND repeat = :repeat;

-- name: select_run_verdict
SELECT verdict
FROM runs
WHERE dag_id = :dag_id AND run_id = :run_id AND repeat = :repeat;

-- name: select_newest_verdict
SELECT verdict
FROM runs
WHERE dag_id = :dag_id AND run_id = :run_id AND verdict IS NOT NULL
ORDER BY repeat DESC
LIMIT 1;

-- name: select_unmetered_runs
-- Runs that ended recently and have no metered energy: no meter was queried, or no meter answered.
SELECT r.dag_id, r.run_id, r.repeat, r.finished_at
FROM runs AS r
LEFT JOIN metered_runs AS m ON m.dag_id = r.dag_id AND m.run_id = r.run_id AND m.repeat = r.repeat
WHERE r.finished_at >= :since AND (m.dag_id IS NULL OR (m.joules IS NULL AND m.coverage = 0))
ORDER BY r.finished_at
LIMIT 1000;

-- name: upsert_metered_run
INSERT INTO metered_runs (
    dag_id, run_id, repeat, joules, coverage, meter, reason, tensor_active, gpu_memory_active, measured_at
)
VALUES (:dag_id, :run_id, :repeat, :joules, :coverage, :meter, :reason, :tensor_active, :gpu_memory_active, :at)
ON CONFLICT (dag_id, run_id, repeat) DO UPDATE
SET joules = excluded.joules, coverage = excluded.coverage, meter = excluded.meter, reason = excluded.reason,
    tensor_active = excluded.tensor_active, gpu_memory_active = excluded.gpu_memory_active,
    measured_at = excluded.measured_at;

-- name: select_last_repeat
SELECT MAX(repeat) AS repeat
FROM runs
WHERE dag_id = :dag_id AND run_id = :run_id;

-- name: select_open_runs
SELECT dag_id, run_id, repeat, workload, partition_first, partition_last, run_type, started_at
FROM runs
WHERE state = 'running' AND (CAST(:workload AS TEXT) IS NULL OR workload = :workload)
ORDER BY started_at, dag_id, run_id;

-- name: select_run_summary
SELECT *
FROM run_summary
WHERE (CAST(:dag_id AS TEXT) IS NULL OR dag_id = :dag_id) AND (CAST(:run_id AS TEXT) IS NULL OR run_id = :run_id)
ORDER BY started_at DESC, dag_id, run_id, repeat DESC
LIMIT :row_limit;

-- name: select_run_energy
SELECT e.*, m.tensor_active, m.gpu_memory_active
FROM run_energy AS e
LEFT JOIN metered_runs AS m ON m.dag_id = e.dag_id AND m.run_id = e.run_id AND m.repeat = e.repeat
WHERE e.dag_id = :dag_id AND e.run_id = :run_id
ORDER BY e.repeat;
