SELECT event, actor, by_person, dag_id, run_id, repeat, from_state, reason, at
FROM model_events
WHERE workload = :workload AND version = :version AND event IN :events
ORDER BY sequence DESC
LIMIT 1
