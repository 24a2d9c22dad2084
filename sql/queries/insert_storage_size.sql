INSERT INTO storage_sizes (measured_at, store_uri, workload, kind, file_count, size_bytes)
VALUES (:at, :store_uri, :workload, :kind, :file_count, :size_bytes)
