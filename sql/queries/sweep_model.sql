INSERT INTO swept_models (workload, version, swept_at)
SELECT workload, version, :at
FROM models
WHERE workload = :workload AND version = :version AND state IN ('retired', 'rejected', 'rolled_back')
ON CONFLICT (workload, version) DO NOTHING
