INSERT INTO model_events (
    workload, sequence, version, event, actor, by_person, dag_id, run_id, repeat, from_state, reason, at
)
VALUES (
    :workload, :sequence, :version, :event, :actor, :by_person, :dag_id, :run_id, :repeat, :from_state, :reason, :at
)
