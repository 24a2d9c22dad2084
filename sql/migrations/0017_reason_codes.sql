-- Why a try or a run ended, as a code beside the text (contracts/reasons.py has them all). Older rows get the code that
-- their text is known to stand for, so that runs that are under way end as they would have; what is not known is NULL.
ALTER TABLE tries ADD COLUMN reason_code TEXT;
ALTER TABLE runs ADD COLUMN reason_code TEXT;

UPDATE tries
SET reason_code = CASE
    WHEN outcome = 'ok' AND reason = 'done' THEN 'done'
    WHEN outcome = 'skipped' AND SUBSTR(reason, 1, 7) = 'dry run' THEN 'dry_run'
    WHEN outcome = 'skipped' AND SUBSTR(reason, 1, 18) = 'asked not to train' THEN 'training_off'
    WHEN outcome = 'skipped' AND reason IN (
        'of a backfill only the newest run trains, and newer data is there: this day''s data is published',
        'only the newest run trains, and newer data is there: this day''s data is published'
    ) THEN 'not_newest'
    WHEN outcome = 'skipped' AND SUBSTR(reason, 1, 21) = 'the backfill''s budget' THEN 'over_budget'
    WHEN outcome = 'skipped' AND SUBSTR(reason, 1, 17) = 'the team''s budget' THEN 'over_team_budget'
    WHEN outcome = 'skipped' AND SUBSTR(reason, 1, 11) = 'superseded:' THEN 'superseded'
    WHEN outcome = 'skipped' AND SUBSTR(reason, 1, 11) = 'no new data' THEN 'no_new_data'
END;

UPDATE runs
SET reason_code = CASE
    WHEN state IN ('dry_run', 'superseded') THEN state
    WHEN state = 'success' AND reason = 'the new version is live' THEN 'done'
    WHEN state = 'success' AND SUBSTR(reason, 1, 18) = 'asked not to train' THEN 'training_off'
    WHEN state = 'success' AND reason IN (
        'of a backfill only the newest run trains, and newer data is there: this day''s data is published',
        'only the newest run trains, and newer data is there: this day''s data is published'
    ) THEN 'not_newest'
    WHEN state = 'rejected' AND SUBSTR(reason, 1, 21) = 'the backfill''s budget' THEN 'over_budget'
    WHEN state = 'rejected' AND SUBSTR(reason, 1, 17) = 'the team''s budget' THEN 'over_team_budget'
    WHEN state = 'rejected' AND decision = 'fail' THEN 'gate_rejected'
    WHEN state = 'skipped' AND SUBSTR(reason, 1, 11) = 'no new data' THEN 'no_new_data'
END;

-- The public view as it was, and the code at its end.
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
    r.decision AS decision,
    r.reason_code AS reason_code
FROM runs AS r
LEFT JOIN plans AS p ON p.dag_id = r.dag_id AND p.run_id = r.run_id AND p.repeat = r.repeat
LEFT JOIN run_figures AS f ON f.dag_id = r.dag_id AND f.run_id = r.run_id AND f.repeat = r.repeat;

-- What the exporter counts at each scrape is in the index, without the runs' verdicts beside it.
CREATE INDEX runs_by_reason ON runs (dag_id, started_at, state, workload, reason_code);
