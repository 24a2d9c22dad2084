-- What a run used, summed up when it changes and not when it is looked at: pages sort and page by these columns.
-- run_figures_now says what a row holds, and every commit to a run copies its row from there (refresh_run_figures).

CREATE TABLE run_figures (
    dag_id TEXT NOT NULL,
    run_id TEXT NOT NULL,
    repeat INTEGER NOT NULL,
    workload TEXT NOT NULL,
    state TEXT NOT NULL,
    started_at TEXT NOT NULL,
    measured_seconds DOUBLE PRECISION,
    measured_peak_memory_bytes BIGINT,
    measured_peak_gpu_memory_bytes BIGINT,
    measured_joules DOUBLE PRECISION,
    energy_method TEXT,
    energy_coverage DOUBLE PRECISION,
    cost DOUBLE PRECISION,
    currency TEXT,
    quality DOUBLE PRECISION,
    seconds_error DOUBLE PRECISION,
    joules_error DOUBLE PRECISION,
    PRIMARY KEY (dag_id, run_id, repeat),
    FOREIGN KEY (dag_id, run_id, repeat) REFERENCES runs (dag_id, run_id, repeat)
);

-- An error is what was measured over what was predicted, less one, of runs that did all that was predicted.
CREATE VIEW run_figures_now AS
SELECT
    m.dag_id AS dag_id,
    m.run_id AS run_id,
    m.repeat AS repeat,
    m.workload AS workload,
    m.state AS state,
    m.started_at AS started_at,
    m.seconds AS measured_seconds,
    m.peak_memory_bytes AS measured_peak_memory_bytes,
    m.peak_gpu_memory_bytes AS measured_peak_gpu_memory_bytes,
    m.joules AS measured_joules,
    m.energy_method AS energy_method,
    m.energy_coverage AS energy_coverage,
    CASE
        WHEN p.cost_per_joule IS NOT NULL OR p.cost_per_second IS NOT NULL THEN
            CASE WHEN p.cost_per_joule IS NULL THEN 0 ELSE p.cost_per_joule * m.joules END
            + CASE WHEN p.cost_per_second IS NULL THEN 0 ELSE p.cost_per_second * m.seconds END
    END AS cost,
    p.currency AS currency,
    CASE m.quality_metric WHEN 'macro_f1' THEN e.macro_f1 ELSE e.micro_f1 END AS quality,
    CASE WHEN m.state IN ('success', 'rejected', 'rolled_back') THEN m.seconds / NULLIF(p.seconds, 0) - 1 END
        AS seconds_error,
    CASE WHEN m.state IN ('success', 'rejected', 'rolled_back') THEN m.joules / NULLIF(p.joules, 0) - 1 END
        AS joules_error
FROM (
    SELECT
        r.dag_id,
        r.run_id,
        r.repeat,
        r.workload,
        r.state,
        r.started_at,
        r.quality_metric,
        r.model_version,
        (
            SELECT SUM(t.wall_seconds)
            FROM tries AS t
            WHERE t.dag_id = r.dag_id AND t.run_id = r.run_id AND t.repeat = r.repeat
        ) AS seconds,
        (
            SELECT MAX(t.peak_memory_bytes)
            FROM tries AS t
            WHERE t.dag_id = r.dag_id AND t.run_id = r.run_id AND t.repeat = r.repeat AND t.step = 'train'
        ) AS peak_memory_bytes,
        (
            SELECT MAX(t.peak_gpu_memory_bytes)
            FROM tries AS t
            WHERE t.dag_id = r.dag_id AND t.run_id = r.run_id AND t.repeat = r.repeat AND t.step = 'train'
        ) AS peak_gpu_memory_bytes,
        (
            SELECT SUM(t.joules)
            FROM tries AS t
            WHERE t.dag_id = r.dag_id AND t.run_id = r.run_id AND t.repeat = r.repeat
        ) AS joules,
        (
            SELECT CASE WHEN MIN(t.energy_method) = MAX(t.energy_method) THEN MIN(t.energy_method)
                WHEN MIN(t.energy_method) IS NOT NULL THEN 'mixed'
            END
            FROM tries AS t
            WHERE t.dag_id = r.dag_id AND t.run_id = r.run_id AND t.repeat = r.repeat
        ) AS energy_method,
        (
            SELECT SUM(t.energy_coverage * t.wall_seconds)
            / NULLIF(SUM(CASE WHEN t.energy_coverage IS NOT NULL THEN t.wall_seconds END), 0)
            FROM tries AS t
            WHERE t.dag_id = r.dag_id AND t.run_id = r.run_id AND t.repeat = r.repeat
        ) AS energy_coverage
    FROM runs AS r
) AS m
LEFT JOIN plans AS p ON p.dag_id = m.dag_id AND p.run_id = m.run_id AND p.repeat = m.repeat
LEFT JOIN evaluations AS e
    ON e.dag_id = m.dag_id AND e.run_id = m.run_id AND e.repeat = m.repeat
    AND e.workload = m.workload AND e.version = m.model_version AND e.role = 'candidate';

INSERT INTO run_figures (
    dag_id, run_id, repeat, workload, state, started_at, measured_seconds, measured_peak_memory_bytes,
    measured_peak_gpu_memory_bytes, measured_joules, energy_method, energy_coverage, cost, currency, quality,
    seconds_error, joules_error
)
SELECT
    dag_id, run_id, repeat, workload, state, started_at, measured_seconds, measured_peak_memory_bytes,
    measured_peak_gpu_memory_bytes, measured_joules, energy_method, energy_coverage, cost, currency, quality,
    seconds_error, joules_error
FROM run_figures_now;

-- One index a column that pages sort by, unknown last. State is in each, so that a filter reads the index alone.
CREATE INDEX run_figures_by_start ON run_figures (dag_id, started_at, run_id, repeat, state);
CREATE INDEX run_figures_by_state ON run_figures (dag_id, state, started_at, run_id, repeat);
CREATE INDEX run_figures_by_seconds
ON run_figures (dag_id, COALESCE(measured_seconds, -1e300), started_at, run_id, repeat, state);
CREATE INDEX run_figures_by_joules
ON run_figures (dag_id, COALESCE(measured_joules, -1e300), started_at, run_id, repeat, state);
CREATE INDEX run_figures_by_cost ON run_figures (dag_id, COALESCE(cost, -1e300), started_at, run_id, repeat, state);
CREATE INDEX run_figures_by_quality
ON run_figures (dag_id, COALESCE(quality, -1e300), started_at, run_id, repeat, state);
CREATE INDEX run_figures_by_seconds_error
ON run_figures (dag_id, COALESCE(seconds_error, -1e300), started_at, run_id, repeat, state);
CREATE INDEX run_figures_by_joules_error
ON run_figures (dag_id, COALESCE(joules_error, -1e300), started_at, run_id, repeat, state);
CREATE INDEX models_by_creation ON models (workload, created_at);
CREATE INDEX evaluations_by_run ON evaluations (dag_id, run_id, repeat);

-- The sums of the runs that began on a day. No scan of the runs for a chart of a year.
CREATE TABLE day_figures (
    day TEXT NOT NULL,
    dag_id TEXT NOT NULL,
    workload TEXT NOT NULL,
    runs BIGINT NOT NULL,
    unmeasured BIGINT NOT NULL,
    joules DOUBLE PRECISION,
    estimated_joules DOUBLE PRECISION,
    seconds DOUBLE PRECISION,
    cost DOUBLE PRECISION,
    currency TEXT,
    PRIMARY KEY (day, dag_id)
);

-- A day's sum of money is known where all of it is in one currency.
INSERT INTO day_figures (
    day, dag_id, workload, runs, unmeasured, joules, estimated_joules, seconds, cost, currency
)
SELECT
    SUBSTR(started_at, 1, 10) AS day,
    dag_id,
    MIN(workload) AS workload,
    COUNT(*) AS runs,
    SUM(CASE WHEN measured_joules IS NULL THEN 1 ELSE 0 END) AS unmeasured,
    SUM(measured_joules) AS joules,
    SUM(CASE WHEN energy_method = 'estimated' THEN measured_joules END) AS estimated_joules,
    SUM(measured_seconds) AS seconds,
    CASE WHEN MIN(currency) = MAX(currency) THEN SUM(cost) END AS cost,
    CASE WHEN MIN(currency) = MAX(currency) THEN MIN(currency) END AS currency
FROM run_figures
GROUP BY SUBSTR(started_at, 1, 10), dag_id;

-- The public view as it was, with the sums read and not made.
DROP VIEW run_summary;

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
    CASE WHEN f.quality IS NOT NULL THEN r.quality_metric END AS quality_metric,
    f.quality AS quality,
    p.seconds AS predicted_seconds,
    f.measured_seconds AS measured_seconds,
    p.peak_memory_bytes AS predicted_peak_memory_bytes,
    f.measured_peak_memory_bytes AS measured_peak_memory_bytes,
    p.peak_gpu_memory_bytes AS predicted_peak_gpu_memory_bytes,
    f.measured_peak_gpu_memory_bytes AS measured_peak_gpu_memory_bytes,
    p.joules AS predicted_joules,
    f.measured_joules AS measured_joules,
    f.energy_method AS energy_method,
    f.energy_coverage AS energy_coverage,
    p.cost AS predicted_cost,
    f.cost AS cost,
    p.currency AS currency,
    p.gco2e AS predicted_gco2e,
    p.gco2e_per_joule * f.measured_joules AS gco2e,
    r.decision AS decision
FROM runs AS r
LEFT JOIN plans AS p ON p.dag_id = r.dag_id AND p.run_id = r.run_id AND p.repeat = r.repeat
LEFT JOIN run_figures AS f ON f.dag_id = r.dag_id AND f.run_id = r.run_id AND f.repeat = r.repeat;
