SELECT measured_at, workload, kind, file_count, size_bytes
FROM storage_sizes
WHERE measured_at >= :since AND store_uri = :store_uri
ORDER BY measured_at, workload, kind
