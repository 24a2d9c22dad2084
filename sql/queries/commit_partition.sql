INSERT INTO partitions (
    workload, generation, day, state, reason, row_count, duplicates, source_uri, source_bytes, content_sha256,
    profile, dataset_version, dag_id, run_id, repeat, changed_at, source_identity
)
VALUES (
    :workload, :generation, :day, 'committed', NULL, :row_count, :duplicates, :source_uri, :source_bytes,
    :content_sha256, :profile, :dataset_version, :dag_id, :run_id, :repeat, :at, :source_identity
)
ON CONFLICT (workload, generation, day) DO UPDATE SET
    state = excluded.state,
    reason = excluded.reason,
    row_count = excluded.row_count,
    duplicates = excluded.duplicates,
    source_uri = excluded.source_uri,
    source_bytes = excluded.source_bytes,
    content_sha256 = excluded.content_sha256,
    source_identity = excluded.source_identity,
    profile = excluded.profile,
    dataset_version = excluded.dataset_version,
    dag_id = excluded.dag_id,
    run_id = excluded.run_id,
    repeat = excluded.repeat,
    changed_at = excluded.changed_at
WHERE partitions.dataset_version IS NULL OR partitions.dataset_version <= excluded.dataset_version
