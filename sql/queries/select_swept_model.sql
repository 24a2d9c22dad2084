SELECT swept_at FROM swept_models WHERE workload = :workload AND version = :version
