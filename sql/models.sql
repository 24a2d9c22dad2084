-- name: insert_model
INSERT INTO models (
    workload, version, uri, manifest_sha256, state, dataset_uri, dataset_version, dataset_generation, dataset_until,
    size_bytes, export_error, export_tolerance, dag_id, run_id, repeat, created_at
)
VALUES (
    :workload, :version, :uri, :manifest_sha256, 'candidate', :dataset_uri, :dataset_version, :dataset_generation,
    :dataset_until, :size_bytes, :export_error, :export_tolerance, :dag_id, :run_id, :repeat, :at
)
ON CONFLICT DO NOTHING;

-- name: delete_swept_model
DELETE FROM swept_models
WHERE workload = :workload AND version = :version;

-- name: update_run_model
UPDATE runs
SET model_version = :model_version, dataset_version = :dataset_version
WHERE dag_id = :dag_id AND run_id = :run_id AND repeat = :repeat;

-- name: upsert_evaluation
INSERT INTO evaluations (
    workload, version, dag_id, run_id, repeat, role, row_count, micro_f1, macro_f1, calibration_error,
    p50_latency_seconds, p99_latency_seconds, joules_per_request, energy_method, peak_memory_bytes, quality,
    evaluated_at
)
VALUES (
    :workload, :version, :dag_id, :run_id, :repeat, :role, :row_count, :micro_f1, :macro_f1, :calibration_error,
    :p50_latency_seconds, :p99_latency_seconds, :joules_per_request, :energy_method, :peak_memory_bytes, :quality, :at
)
ON CONFLICT (workload, version, dag_id, run_id, repeat) DO UPDATE SET
    role = excluded.role,
    row_count = excluded.row_count,
    micro_f1 = excluded.micro_f1,
    macro_f1 = excluded.macro_f1,
    calibration_error = excluded.calibration_error,
    p50_latency_seconds = excluded.p50_latency_seconds,
    p99_latency_seconds = excluded.p99_latency_seconds,
    joules_per_request = excluded.joules_per_request,
    energy_method = excluded.energy_method,
    peak_memory_bytes = excluded.peak_memory_bytes,
    quality = excluded.quality,
    evaluated_at = excluded.evaluated_at;

-- name: select_live_model
SELECT
    m.*,
    (
        SELECT e.quality
        FROM evaluations AS e
        WHERE e.workload = m.workload AND e.version = m.version
        ORDER BY e.evaluated_at DESC
        LIMIT 1
    ) AS quality
FROM models AS m
WHERE m.workload = :workload AND m.state = 'live';

-- name: select_model
SELECT
    m.*,
    (
        SELECT e.quality
        FROM evaluations AS e
        WHERE e.workload = m.workload AND e.version = m.version
        ORDER BY e.evaluated_at DESC
        LIMIT 1
    ) AS quality
FROM models AS m
WHERE m.workload = :workload AND m.version = :version;

-- name: select_model_events
SELECT sequence, version, event, actor, by_person, dag_id, run_id, repeat, from_state, reason, at
FROM model_events
WHERE workload = :workload
ORDER BY sequence;

-- name: lock_workload
-- Lock the workload's models until the transaction ends; return the number of the next event.
INSERT INTO workloads (workload, changes)
VALUES (:workload, 1)
ON CONFLICT (workload) DO UPDATE SET changes = workloads.changes + 1
RETURNING changes;

-- name: insert_model_event
INSERT INTO model_events (
    workload, sequence, version, event, actor, by_person, dag_id, run_id, repeat, from_state, reason, at
)
VALUES (
    :workload, :sequence, :version, :event, :actor, :by_person, :dag_id, :run_id, :repeat, :from_state, :reason, :at
);
