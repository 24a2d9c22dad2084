INSERT INTO model_events (workload, sequence, version, event, actor, reason, at)
VALUES (:workload, :sequence, :version, :event, :actor, :reason, :at)
