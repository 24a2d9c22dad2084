SELECT
    day,
    workload,
    SUM(runs) AS runs,
    SUM(unmeasured) AS unmeasured,
    SUM(joules) AS joules,
    SUM(estimated_joules) AS estimated_joules,
    SUM(seconds) AS seconds,
    CASE WHEN MIN(currency) = MAX(currency) THEN SUM(cost) END AS cost,
    CASE WHEN MIN(currency) = MAX(currency) THEN MIN(currency) END AS currency
FROM day_figures
WHERE day >= :since AND dag_id IN :dag_ids
GROUP BY day, workload
ORDER BY day, workload
