INSERT INTO tries (
    dag_id, run_id, repeat, task_id, map_index, try_number, process_uid, step, outcome, reason, started_at,
    wall_seconds, cpu_seconds, peak_memory_bytes, peak_gpu_memory_bytes, read_bytes, written_bytes, joules,
    idle_joules, energy_method, energy_coverage, report, committed_at, reason_code
)
VALUES (
    :dag_id, :run_id, :repeat, :task_id, :map_index, :try_number, :process_uid, :step, :outcome, :reason, :started_at,
    :wall_seconds, :cpu_seconds, :peak_memory_bytes, :peak_gpu_memory_bytes, :read_bytes, :written_bytes, :joules,
    :idle_joules, :energy_method, :energy_coverage, :report, :at, :reason_code
)
ON CONFLICT DO NOTHING
