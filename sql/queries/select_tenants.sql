-- Each workload's team, as its newest run says, and its source.
SELECT runs.workload, MAX(runs.team) AS team, MAX(sources.source) AS source
FROM runs
INNER JOIN (
    SELECT workload, MAX(started_at) AS newest_at FROM runs GROUP BY workload
) AS newest ON newest.workload = runs.workload AND newest.newest_at = runs.started_at
LEFT JOIN sources ON sources.workload = runs.workload
GROUP BY runs.workload
ORDER BY runs.workload
