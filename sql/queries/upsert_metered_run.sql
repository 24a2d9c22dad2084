INSERT INTO metered_runs (
    dag_id, run_id, repeat, joules, coverage, meter, reason, tensor_active, gpu_memory_active, measured_at
)
VALUES (:dag_id, :run_id, :repeat, :joules, :coverage, :meter, :reason, :tensor_active, :gpu_memory_active, :at)
ON CONFLICT (dag_id, run_id, repeat) DO UPDATE
SET joules = excluded.joules, coverage = excluded.coverage, meter = excluded.meter, reason = excluded.reason,
    tensor_active = excluded.tensor_active, gpu_memory_active = excluded.gpu_memory_active,
    measured_at = excluded.measured_at
