INSERT INTO team_runs (dag_id, run_id, repeat, kwh, gpu_hours, money, gpus, past, approved_by, changed_at)
VALUES (:dag_id, :run_id, :repeat, :kwh, :gpu_hours, :money, :gpus, :past, :approved_by, :at)
ON CONFLICT (dag_id, run_id, repeat) DO UPDATE SET
    kwh = excluded.kwh,
    gpu_hours = excluded.gpu_hours,
    money = excluded.money,
    gpus = excluded.gpus,
    past = COALESCE(excluded.past, team_runs.past),
    approved_by = COALESCE(excluded.approved_by, team_runs.approved_by),
    changed_at = excluded.changed_at
