SELECT sequence, version, event, actor, by_person, dag_id, run_id, repeat, from_state, reason, at
FROM model_events
WHERE workload = :workload
ORDER BY sequence DESC
LIMIT :row_limit
