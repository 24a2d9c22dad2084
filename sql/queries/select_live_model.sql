SELECT
    m.*,
    (
        SELECT e.quality
        FROM evaluations AS e
        WHERE e.workload = m.workload AND e.version = m.version
        ORDER BY e.evaluated_at DESC
        LIMIT 1
    ) AS quality
FROM models AS m
WHERE m.workload = :workload AND m.state = 'live'
