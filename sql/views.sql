-- name: select_dags
-- The DAGs of a table, by a loose index scan: its cost grows with the number of DAGs, not of rows. The table's name is
-- a constant of the ledger, never a user's text.
WITH RECURSIVE known (dag_id) AS (
    SELECT MIN(dag_id) FROM {table}
    UNION ALL
    SELECT (SELECT MIN(t.dag_id) FROM {table} AS t WHERE t.dag_id > known.dag_id)
    FROM known
    WHERE known.dag_id IS NOT NULL
)

SELECT dag_id FROM known WHERE dag_id IS NOT NULL;

-- name: select_run_rows
SELECT s.*, f.seconds_error, f.joules_error
FROM run_summary AS s
INNER JOIN run_figures AS f ON f.dag_id = s.dag_id AND f.run_id = s.run_id AND f.repeat = s.repeat
WHERE s.dag_id IN :dag_ids AND s.run_id IN :run_ids;

-- name: select_recent_reasons
-- Ended runs of a recent period by reason code.
SELECT workload, COALESCE(reason_code, 'unknown') AS reason_code, COUNT(*) AS runs
FROM runs
WHERE dag_id IN :dag_ids AND started_at >= :since AND state <> 'running'
GROUP BY workload, COALESCE(reason_code, 'unknown');

-- name: select_recent_figures
-- Results and consumption of recent runs, by state and by the method that measured their joules.
SELECT
    workload,
    state,
    COALESCE(energy_method, 'unknown') AS energy_method,
    COUNT(*) AS runs,
    SUM(measured_seconds) AS seconds,
    SUM(energy_coverage * measured_seconds) AS sensor_seconds,
    SUM(measured_joules) AS joules
FROM run_figures
WHERE dag_id IN :dag_ids AND started_at >= :since
GROUP BY workload, state, COALESCE(energy_method, 'unknown');

-- name: select_runs_in_flight
-- Running runs, oldest first, with the time of their last sign of life.
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
LIMIT :row_limit;

-- name: select_run_repeats
SELECT s.*, f.seconds_error, f.joules_error, r.verdict, r.run_type
FROM run_summary AS s
INNER JOIN runs AS r ON r.dag_id = s.dag_id AND r.run_id = s.run_id AND r.repeat = s.repeat
LEFT JOIN run_figures AS f ON f.dag_id = s.dag_id AND f.run_id = s.run_id AND f.repeat = s.repeat
WHERE s.dag_id = :dag_id AND s.run_id = :run_id
ORDER BY s.repeat DESC;

-- name: select_plan_of_repeat
SELECT plan
FROM plans
WHERE dag_id = :dag_id AND run_id = :run_id AND repeat = :repeat;

-- name: select_newest_plan
-- Newest plan of a DAG, by the start of its run.
SELECT p.plan
FROM run_figures AS f
INNER JOIN plans AS p ON p.dag_id = f.dag_id AND p.run_id = f.run_id AND p.repeat = f.repeat
WHERE f.dag_id = :dag_id
ORDER BY f.started_at DESC, f.run_id DESC, f.repeat DESC
LIMIT 1;

-- name: select_run_evaluations
SELECT role, version, quality, energy_method
FROM evaluations
WHERE dag_id = :dag_id AND run_id = :run_id AND repeat = :repeat
ORDER BY role;

-- name: select_publisher
-- If several generations have the version, take the newest.
SELECT run_id, repeat
FROM dataset_versions
WHERE workload = (SELECT r.workload FROM runs AS r WHERE r.dag_id = :dag_id LIMIT 1)
    AND version = :version AND dag_id = :dag_id
ORDER BY generation DESC
LIMIT 1;

-- name: select_model_page
SELECT
    m.workload, m.version, m.uri, m.manifest_sha256, m.state, m.dataset_uri, m.dataset_version, m.dataset_generation,
    m.dataset_until, m.size_bytes, m.dag_id, m.run_id, m.repeat, m.created_at, m.promoted_at, m.previous_version,
    f.measured_joules, f.energy_method, f.cost, f.currency, f.measured_seconds,
    e.micro_f1, e.macro_f1, e.p99_latency_seconds, e.joules_per_request, e.energy_method AS request_energy_method,
    d.dag_id AS docs_dag_id, d.run_id AS docs_run_id, d.repeat AS docs_repeat,
    r.state AS run_state,
    w.swept_at
FROM (
    SELECT *
    FROM models
    WHERE workload = :workload AND (created_at, version) < (:before, :before_version)
    ORDER BY created_at DESC, version DESC
    LIMIT :row_limit
) AS m
INNER JOIN runs AS r ON r.dag_id = m.dag_id AND r.run_id = m.run_id AND r.repeat = m.repeat
LEFT JOIN run_figures AS f ON f.dag_id = m.dag_id AND f.run_id = m.run_id AND f.repeat = m.repeat
LEFT JOIN evaluations AS e
    ON e.workload = m.workload AND e.version = m.version
    AND e.dag_id = m.dag_id AND e.run_id = m.run_id AND e.repeat = m.repeat
LEFT JOIN dataset_versions AS d
    ON d.workload = m.workload AND d.generation = m.dataset_generation AND d.version = m.dataset_version
LEFT JOIN swept_models AS w ON w.workload = m.workload AND w.version = m.version
ORDER BY m.created_at DESC, m.version DESC;

-- name: select_live_models
SELECT workload, version, dag_id, promoted_at, dataset_until
FROM models
WHERE state = 'live' AND dag_id IN :dag_ids
ORDER BY workload;

-- name: select_newest_model_events
SELECT sequence, version, event, actor, by_person, dag_id, run_id, repeat, from_state, reason, at
FROM model_events
WHERE workload = :workload
ORDER BY sequence DESC
LIMIT :row_limit;

-- name: select_energy_by_day
SELECT
    day,
    workload,
    SUM(runs) AS runs,
    SUM(unmeasured) AS unmeasured,
    SUM(joules) AS joules,
    SUM(estimated_joules) AS estimated_joules,
    SUM(seconds) AS seconds,
    CASE WHEN MIN(currency) = MAX(currency) THEN SUM(cost) END AS cost,
    CASE WHEN MIN(currency) = MAX(currency) THEN MIN(currency) END AS currency
FROM day_figures
WHERE day >= :since AND dag_id IN :dag_ids
GROUP BY day, workload
ORDER BY day, workload;

-- name: select_newest_budgets
SELECT
    g.name,
    g.dag_id,
    g.amount,
    g.unit,
    g.predicted,
    g.lifted_by,
    g.created_at,
    (SELECT MAX(b.changed_at) FROM reservations AS b WHERE b.scope = 'backfill' AND b.name = g.name) AS taken_at
FROM budgets AS g
WHERE g.dag_id IN :dag_ids
ORDER BY g.created_at DESC, g.name
LIMIT :row_limit;

-- name: select_storage_since
SELECT measured_at, workload, kind, file_count, size_bytes
FROM storage_sizes
WHERE measured_at >= :since AND store_uri = :store_uri
ORDER BY measured_at, workload, kind;

-- name: select_run_keys
-- Text in braces is replaced by constants of views.py, never by a user's text.
SELECT dag_id, run_id, repeat, started_at, {value} AS sort_value
FROM run_figures
WHERE
    dag_id = :dag_id
    {states}
    AND {start} >= :since AND {start} < :until
    AND {value} {beyond}= :value
    AND ({value}, started_at, dag_id, run_id, repeat)
    {beyond} (:value, :after_start, :after_dag, :after_run, :after_repeat)
ORDER BY {value} {direction}, started_at {direction}, run_id {direction}, repeat {direction}
LIMIT :row_limit;
