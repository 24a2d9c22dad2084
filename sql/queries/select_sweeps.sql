SELECT swept_at, kind, workload, applied, item_count, size_bytes
FROM sweeps
WHERE store_uri = :store_uri
ORDER BY swept_at, kind, workload
