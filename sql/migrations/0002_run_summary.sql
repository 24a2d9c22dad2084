-- The public view, one row a run and repeat. Its columns and their order are a promise to people, dashboards and checks.
-- Seconds, joules and coverage are over every try, lost ones included as far as their meter got. Memory is the training
-- step's peak. Predictions are medians. Cost and gCO2e apply the rates that the plan was made with to what was measured.

CREATE VIEW run_summary AS
SELECT
    r.dag_id AS dag_id,
    r.run_id AS run_id,
    r.repeat AS repeat,
    r.workload AS workload,
    r.team AS team,
    r.site AS site,
    CASE
        WHEN r.partition_first = r.partition_last THEN r.partition_last
        ELSE r.partition_first || '/' || r.partition_last
    END AS partition,
    r.state AS state,
    r.reason AS reason,
    r.started_at AS started_at,
    r.finished_at AS finished_at,
    r.dataset_version AS dataset_version,
    r.model_version AS model_version,
    CASE WHEN e.version IS NOT NULL THEN r.quality_metric END AS quality_metric,
    CASE r.quality_metric WHEN 'macro_f1' THEN e.macro_f1 ELSE e.micro_f1 END AS quality,
    p.seconds AS predicted_seconds,
    t.seconds AS measured_seconds,
    p.peak_memory_bytes AS predicted_peak_memory_bytes,
    t.peak_memory_bytes AS measured_peak_memory_bytes,
    p.peak_gpu_memory_bytes AS predicted_peak_gpu_memory_bytes,
    t.peak_gpu_memory_bytes AS measured_peak_gpu_memory_bytes,
    p.joules AS predicted_joules,
    t.joules AS measured_joules,
    t.energy_method AS energy_method,
    t.energy_coverage AS energy_coverage,
    p.cost AS predicted_cost,
    CASE
        WHEN p.cost_per_joule IS NOT NULL OR p.cost_per_second IS NOT NULL THEN
            CASE WHEN p.cost_per_joule IS NULL THEN 0 ELSE p.cost_per_joule * t.joules END
            + CASE WHEN p.cost_per_second IS NULL THEN 0 ELSE p.cost_per_second * t.seconds END
    END AS cost,
    p.currency AS currency,
    p.gco2e AS predicted_gco2e,
    p.gco2e_per_joule * t.joules AS gco2e,
    r.decision AS decision
FROM runs AS r
LEFT JOIN plans AS p ON p.dag_id = r.dag_id AND p.run_id = r.run_id AND p.repeat = r.repeat
LEFT JOIN evaluations AS e
    ON e.dag_id = r.dag_id AND e.run_id = r.run_id AND e.repeat = r.repeat
    AND e.workload = r.workload AND e.version = r.model_version AND e.role = 'candidate'
LEFT JOIN (
    SELECT
        dag_id,
        run_id,
        repeat,
        SUM(wall_seconds) AS seconds,
        MAX(CASE WHEN step = 'train' THEN peak_memory_bytes END) AS peak_memory_bytes,
        MAX(CASE WHEN step = 'train' THEN peak_gpu_memory_bytes END) AS peak_gpu_memory_bytes,
        SUM(joules) AS joules,
        CASE WHEN MIN(energy_method) = MAX(energy_method) THEN MIN(energy_method)
            WHEN MIN(energy_method) IS NOT NULL THEN 'mixed'
        END AS energy_method,
        SUM(energy_coverage * wall_seconds)
        / NULLIF(SUM(CASE WHEN energy_coverage IS NOT NULL THEN wall_seconds END), 0) AS energy_coverage
    FROM tries
    GROUP BY dag_id, run_id, repeat
) AS t ON t.dag_id = r.dag_id AND t.run_id = r.run_id AND t.repeat = r.repeat;
