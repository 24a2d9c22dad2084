SELECT
    day, state, reason, row_count, duplicates, source_uri, source_bytes, content_sha256, dataset_version, dag_id,
    run_id, repeat, changed_at, source_identity
FROM partitions
WHERE workload = :workload AND generation = :generation AND day BETWEEN :first_day AND :last_day
ORDER BY day
