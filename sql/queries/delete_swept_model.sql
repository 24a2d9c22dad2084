DELETE FROM swept_models
WHERE workload = :workload AND version = :version
