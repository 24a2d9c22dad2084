SELECT
    d.version,
    d.uri,
    (
        SELECT MIN(p.day)
        FROM partitions AS p
        WHERE p.workload = d.workload AND p.generation = d.generation AND p.state = 'committed'
    ) AS first_day,
    (
        SELECT MAX(p.day)
        FROM partitions AS p
        WHERE p.workload = d.workload AND p.generation = d.generation AND p.state = 'committed'
    ) AS last_day
FROM dataset_versions AS d
WHERE d.workload = :workload AND d.generation = :generation
ORDER BY d.version DESC
LIMIT 1
