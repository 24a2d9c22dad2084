SELECT workload, version, uri, state, dataset_uri, dataset_version, created_at, promoted_at
FROM models
WHERE NOT EXISTS (
    SELECT 1
    FROM swept_models
    WHERE swept_models.workload = models.workload AND swept_models.version = models.version
)
ORDER BY workload, created_at DESC, version
