-- The version that was live last, was not taken back, and whose files are there; one that is being judged once more counts.
SELECT version, state
FROM models
WHERE
    workload = :workload
    AND (
        state = 'retired'
        OR (
            state = 'candidate'
            AND 'retired' = (
                SELECT e.from_state
                FROM model_events AS e
                WHERE e.workload = models.workload AND e.version = models.version
                ORDER BY e.sequence DESC
                LIMIT 1
            )
        )
    )
    AND NOT EXISTS (
        SELECT 1
        FROM swept_models
        WHERE swept_models.workload = models.workload AND swept_models.version = models.version
    )
ORDER BY promoted_at DESC
LIMIT 1
