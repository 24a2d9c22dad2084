INSERT INTO sweeps (swept_at, store_uri, kind, workload, applied, item_count, size_bytes)
VALUES (:at, :store_uri, :kind, :workload, :applied, :item_count, :size_bytes)
