-- What runs that began of late did and used, by state and by who measured their joules.
SELECT
    workload,
    state,
    COALESCE(energy_method, 'unknown') AS energy_method,
    COUNT(*) AS runs,
    SUM(measured_seconds) AS seconds,
    SUM(energy_coverage * measured_seconds) AS sensor_seconds,
    SUM(measured_joules) AS joules
FROM run_figures
WHERE dag_id IN :dag_ids AND started_at >= :since
GROUP BY workload, state, COALESCE(energy_method, 'unknown')
