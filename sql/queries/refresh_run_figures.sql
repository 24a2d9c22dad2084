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
    joules_error = excluded.joules_error
