-- name: select_plan
SELECT plan, sha256, repeat
FROM plans
WHERE dag_id = :dag_id AND run_id = :run_id
ORDER BY repeat DESC
LIMIT 1;

-- name: select_training_try
SELECT try_number
FROM tries
WHERE dag_id = :dag_id AND run_id = :run_id AND repeat = :repeat AND step = 'train'
LIMIT 1;

-- name: upsert_plan
INSERT INTO plans (
    dag_id, run_id, repeat, plan, sha256, stored_at, seconds, peak_memory_bytes, peak_gpu_memory_bytes, joules, cost,
    currency, gco2e, cost_per_joule, cost_per_second, gco2e_per_joule
)
VALUES (
    :dag_id, :run_id, :repeat, :plan, :sha256, :at, :seconds, :peak_memory_bytes, :peak_gpu_memory_bytes, :joules, :cost,
    :currency, :gco2e, :cost_per_joule, :cost_per_second, :gco2e_per_joule
)
ON CONFLICT (dag_id, run_id, repeat) DO UPDATE SET
    plan = excluded.plan,
    sha256 = excluded.sha256,
    stored_at = excluded.stored_at,
    seconds = excluded.seconds,
    peak_memory_bytes = excluded.peak_memory_bytes,
    peak_gpu_memory_bytes = excluded.peak_gpu_memory_bytes,
    joules = excluded.joules,
    cost = excluded.cost,
    currency = excluded.currency,
    gco2e = excluded.gco2e,
    cost_per_joule = excluded.cost_per_joule,
    cost_per_second = excluded.cost_per_second,
    gco2e_per_joule = excluded.gco2e_per_joule;

-- name: upsert_oom_correction
INSERT INTO oom_corrections (workload, step, memory_bytes, learned_at)
VALUES (:workload, :step, :memory_bytes, :at)
ON CONFLICT (workload, step) DO UPDATE
SET memory_bytes = excluded.memory_bytes, learned_at = excluded.learned_at
WHERE excluded.memory_bytes > oom_corrections.memory_bytes;

-- name: upsert_device_rows_correction
INSERT INTO device_rows_corrections (workload, hardware, rows_at_once, learned_at)
VALUES (:workload, :hardware, :rows_at_once, :at)
ON CONFLICT (workload, hardware) DO UPDATE
SET rows_at_once = excluded.rows_at_once, learned_at = excluded.learned_at
WHERE excluded.rows_at_once < device_rows_corrections.rows_at_once;

-- name: select_oom_correction
SELECT memory_bytes FROM oom_corrections WHERE workload = :workload AND step = :step;

-- name: select_device_rows_correction
SELECT rows_at_once FROM device_rows_corrections WHERE workload = :workload AND hardware = :hardware;
