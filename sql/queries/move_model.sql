UPDATE models
SET state = :to_state, promoted_at = COALESCE(:promoted_at, promoted_at)
WHERE workload = :workload AND version = :version AND state = :from_state
