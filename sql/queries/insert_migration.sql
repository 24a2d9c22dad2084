INSERT INTO migrations (name, sha256, applied_at)
VALUES (:name, :sha256, :at)
