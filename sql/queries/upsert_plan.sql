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
    gco2e_per_joule = excluded.gco2e_per_joule
