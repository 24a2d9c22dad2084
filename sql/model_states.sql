-- name: promote_model
UPDATE models
SET state = 'live', promoted_at = :at, previous_version = :previous_version
WHERE workload = :workload AND version = :version AND state = 'candidate';

-- name: select_swept_model
SELECT swept_at FROM swept_models WHERE workload = :workload AND version = :version;

-- name: select_newest_event
SELECT event, actor, by_person, dag_id, run_id, repeat, from_state, reason, at
FROM model_events
WHERE workload = :workload AND version = :version AND event IN :events
ORDER BY sequence DESC
LIMIT 1;

-- name: select_predecessor
-- The version that was live last, was not rolled back and has its files; a version that is judged again counts.
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
LIMIT 1;

-- name: move_model
UPDATE models
SET state = :to_state, promoted_at = COALESCE(:promoted_at, promoted_at)
WHERE workload = :workload AND version = :version AND state = :from_state;
