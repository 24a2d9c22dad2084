UPDATE models
SET state = 'live', promoted_at = :at, previous_version = :previous_version
WHERE workload = :workload AND version = :version AND state = 'candidate'
