SELECT sequence, version, event, actor, reason, at
FROM model_events
WHERE workload = :workload
ORDER BY sequence DESC
LIMIT :row_limit
