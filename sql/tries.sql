-- name: delete_lost_try
-- Delete the row of a process that was counted as lost and has reported since: the report contains the row's values.
DELETE FROM tries
WHERE
    dag_id = :dag_id AND run_id = :run_id AND repeat = :repeat AND task_id = :task_id AND map_index = :map_index
    AND outcome = 'lost'
    AND ((try_number = :try_number AND process_uid = :process_uid) OR started_at = :started_at);

-- name: select_metered_try
-- The same task and the same start of its meter identify a process, even under another name.
SELECT try_number, process_uid
FROM tries
WHERE
    dag_id = :dag_id AND run_id = :run_id AND repeat = :repeat AND task_id = :task_id AND map_index = :map_index
    AND started_at = :started_at
LIMIT 1;

-- name: insert_try
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
ON CONFLICT DO NOTHING;

-- name: select_tries_of_key
SELECT process_uid, outcome, started_at
FROM tries
WHERE
    dag_id = :dag_id AND run_id = :run_id AND repeat = :repeat AND task_id = :task_id AND map_index = :map_index
    AND try_number = :try_number;

-- name: delete_outgrown_try
-- Delete the row of a process that was counted as lost while it still worked: a later reading replaces it.
DELETE FROM tries
WHERE
    dag_id = :dag_id AND run_id = :run_id AND repeat = :repeat AND task_id = :task_id AND map_index = :map_index
    AND outcome = 'lost' AND started_at = :started_at AND wall_seconds < :wall_seconds;

-- name: insert_phase
INSERT INTO phases (
    dag_id, run_id, repeat, task_id, map_index, try_number, process_uid, phase, wall_seconds, cpu_seconds, joules,
    idle_joules, energy_coverage
)
VALUES (
    :dag_id, :run_id, :repeat, :task_id, :map_index, :try_number, :process_uid, :phase, :wall_seconds, :cpu_seconds,
    :joules, :idle_joules, :energy_coverage
);

-- name: select_committed_reports
SELECT report
FROM tries
WHERE dag_id = :dag_id AND run_id = :run_id AND task_id = :task_id AND outcome IN ('ok', 'skipped')
ORDER BY repeat DESC, committed_at DESC, try_number DESC;

-- name: select_validation
SELECT report
FROM tries
WHERE
    dag_id = :dag_id AND run_id = :run_id AND repeat = :repeat AND step = 'validate' AND report IS NOT NULL
ORDER BY committed_at DESC, try_number DESC
LIMIT 1;

-- name: select_failed_report
-- The newest failed attempt, whose error explains the end of the run.
SELECT report
FROM tries
WHERE dag_id = :dag_id AND run_id = :run_id AND repeat = :repeat AND outcome = 'failed' AND report IS NOT NULL
ORDER BY committed_at DESC, try_number DESC
LIMIT 1;

-- name: select_try_reasons
SELECT task_id, map_index, outcome, reason, reason_code
FROM tries
WHERE dag_id = :dag_id AND run_id = :run_id AND repeat = :repeat
ORDER BY committed_at, try_number;

-- name: select_tries
SELECT
    repeat, task_id, map_index, try_number, process_uid, step, outcome, reason, started_at, wall_seconds, cpu_seconds,
    peak_memory_bytes, peak_gpu_memory_bytes, read_bytes, written_bytes, joules, idle_joules, energy_method,
    energy_coverage, committed_at, reason_code
FROM tries
WHERE dag_id = :dag_id AND run_id = :run_id AND repeat = :repeat
ORDER BY committed_at, task_id, try_number;

-- name: select_phases
SELECT
    step, phase, SUM(p.wall_seconds) AS wall_seconds, SUM(p.cpu_seconds) AS cpu_seconds, SUM(p.joules) AS joules,
    CASE WHEN COUNT(p.joules) = COUNT(p.idle_joules) THEN SUM(p.idle_joules) END AS idle_joules,
    SUM(p.energy_coverage * p.wall_seconds)
    / NULLIF(SUM(CASE WHEN p.energy_coverage IS NOT NULL THEN p.wall_seconds END), 0) AS energy_coverage
FROM phases AS p
INNER JOIN tries AS t
    ON t.dag_id = p.dag_id AND t.run_id = p.run_id AND t.repeat = p.repeat AND t.task_id = p.task_id
    AND t.map_index = p.map_index AND t.try_number = p.try_number AND t.process_uid = p.process_uid
WHERE p.dag_id = :dag_id AND p.run_id = :run_id AND p.repeat = :repeat
GROUP BY step, phase
ORDER BY MIN(t.committed_at), step, MIN(phase);
