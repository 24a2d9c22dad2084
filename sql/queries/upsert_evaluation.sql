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
    evaluated_at = excluded.evaluated_at
