INSERT INTO metered_runs (dag_id, run_id, repeat, joules, coverage, meter, reason, measured_at)
VALUES (:dag_id, :run_id, :repeat, :joules, :coverage, :meter, :reason, :at)
ON CONFLICT (dag_id, run_id, repeat) DO UPDATE
SET joules = excluded.joules, coverage = excluded.coverage, meter = excluded.meter, reason = excluded.reason,
    measured_at = excluded.measured_at
