-- name: select_run_ends
SELECT
    dag_id,
    run_id,
    MAX(CASE WHEN state = 'running' THEN 1 ELSE 0 END) AS is_open,
    MAX(finished_at) AS finished_at
FROM runs
GROUP BY dag_id, run_id
ORDER BY dag_id, run_id;

-- name: select_kept_models
SELECT workload, version, uri, state, dataset_uri, dataset_version, created_at, promoted_at
FROM models
WHERE NOT EXISTS (
    SELECT 1
    FROM swept_models
    WHERE swept_models.workload = models.workload AND swept_models.version = models.version
)
ORDER BY workload, created_at DESC, version;

-- name: select_publishing_runs
SELECT DISTINCT dataset_versions.dag_id, dataset_versions.run_id
FROM dataset_versions
INNER JOIN partitions
    ON
        partitions.workload = dataset_versions.workload
        AND partitions.generation = dataset_versions.generation
        AND partitions.dataset_version = dataset_versions.version;

-- name: select_newest_versions
SELECT workload, uri, MAX(version) AS version
FROM dataset_versions
GROUP BY workload, uri
ORDER BY workload, uri;

-- name: sweep_model
INSERT INTO swept_models (workload, version, swept_at)
SELECT workload, version, :at
FROM models
WHERE workload = :workload AND version = :version AND state IN ('retired', 'rejected', 'rolled_back')
ON CONFLICT (workload, version) DO NOTHING;

-- name: insert_sweep
INSERT INTO sweeps (swept_at, store_uri, kind, workload, applied, item_count, size_bytes)
VALUES (:at, :store_uri, :kind, :workload, :applied, :item_count, :size_bytes);

-- name: insert_storage_size
INSERT INTO storage_sizes (measured_at, store_uri, workload, kind, file_count, size_bytes)
VALUES (:at, :store_uri, :workload, :kind, :file_count, :size_bytes);

-- name: select_sweeps
SELECT swept_at, kind, workload, applied, item_count, size_bytes
FROM sweeps
WHERE store_uri = :store_uri
ORDER BY swept_at, kind, workload;

-- name: select_storage_sizes
SELECT measured_at, workload, kind, file_count, size_bytes
FROM storage_sizes
WHERE store_uri = :store_uri
ORDER BY measured_at, workload, kind;
