UPDATE day_figures
SET
    (runs, unmeasured, joules, estimated_joules, seconds, cost, currency) = (
        SELECT
            COUNT(*),
            SUM(CASE WHEN measured_joules IS NULL THEN 1 ELSE 0 END),
            SUM(measured_joules),
            SUM(CASE WHEN energy_method = 'estimated' THEN measured_joules END),
            SUM(measured_seconds),
            CASE WHEN MIN(currency) = MAX(currency) THEN SUM(cost) END,
            CASE WHEN MIN(currency) = MAX(currency) THEN MIN(currency) END
        FROM run_figures
        WHERE run_figures.dag_id = :dag_id AND run_figures.started_at >= :day AND run_figures.started_at < :next_day
    )
WHERE day = :day AND dag_id = :dag_id
