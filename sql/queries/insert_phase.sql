INSERT INTO phases (
    dag_id, run_id, repeat, task_id, map_index, try_number, process_uid, phase, wall_seconds, cpu_seconds, joules,
    idle_joules, energy_coverage
)
VALUES (
    :dag_id, :run_id, :repeat, :task_id, :map_index, :try_number, :process_uid, :phase, :wall_seconds, :cpu_seconds,
    :joules, :idle_joules, :energy_coverage
)
