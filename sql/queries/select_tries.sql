SELECT
    repeat, task_id, map_index, try_number, process_uid, step, outcome, reason, started_at, wall_seconds, cpu_seconds,
    peak_memory_bytes, peak_gpu_memory_bytes, read_bytes, written_bytes, joules, idle_joules, energy_method,
    energy_coverage, committed_at, reason_code
FROM tries
WHERE dag_id = :dag_id AND run_id = :run_id AND repeat = :repeat
ORDER BY committed_at, task_id, try_number
