-- name: mark_partition
-- Mark a partition staged, absent or failed; a committed partition keeps its state.
INSERT INTO partitions (
    workload, generation, day, state, reason, row_count, duplicates, source_uri, source_bytes, content_sha256, dag_id,
    run_id, repeat, changed_at, source_identity
)
VALUES (
    :workload, :generation, :day, :state, :reason, :row_count, :duplicates, :source_uri, :source_bytes,
    :content_sha256, :dag_id, :run_id, :repeat, :at, :source_identity
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
    dag_id = excluded.dag_id,
    run_id = excluded.run_id,
    repeat = excluded.repeat,
    changed_at = excluded.changed_at
WHERE partitions.state <> 'committed';

-- name: insert_dataset_version
INSERT INTO dataset_versions (workload, generation, version, uri, dag_id, run_id, repeat, published_at)
VALUES (:workload, :generation, :version, :uri, :dag_id, :run_id, :repeat, :at)
ON CONFLICT DO NOTHING;

-- name: commit_partition
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
WHERE partitions.dataset_version IS NULL OR partitions.dataset_version <= excluded.dataset_version;

-- name: update_run_dataset
UPDATE runs
SET dataset_version = :dataset_version
WHERE dag_id = :dag_id AND run_id = :run_id AND repeat = :repeat;

-- name: select_refused_run
-- One row if this repeat got no further than a failed task divide.
SELECT t.dag_id
FROM tries AS t
WHERE t.dag_id = :dag_id AND t.run_id = :run_id AND t.repeat = :repeat AND t.step <> 'finish'
GROUP BY t.dag_id
HAVING COUNT(*) = SUM(CASE WHEN t.step = 'plan_ingest' AND t.outcome = 'failed' THEN 1 ELSE 0 END);

-- name: select_latest_dataset
SELECT
    d.version,
    d.uri,
    (
        SELECT MIN(p.day)
        FROM partitions AS p
        WHERE p.workload = d.workload AND p.generation = d.generation AND p.state = 'committed'
    ) AS first_day,
    (
        SELECT MAX(p.day)
        FROM partitions AS p
        WHERE p.workload = d.workload AND p.generation = d.generation AND p.state = 'committed'
    ) AS last_day
FROM dataset_versions AS d
WHERE d.workload = :workload AND d.generation = :generation
ORDER BY d.version DESC
LIMIT 1;

-- name: select_profiles
SELECT profile
FROM partitions
WHERE
    workload = :workload AND generation = :generation AND state = 'committed' AND profile IS NOT NULL
    AND day <= :until
    AND NOT (day BETWEEN :outside_first AND :outside_last)
ORDER BY day;

-- name: select_partitions
SELECT
    day, state, reason, row_count, duplicates, source_uri, source_bytes, content_sha256, dataset_version, dag_id,
    run_id, repeat, changed_at, source_identity
FROM partitions
WHERE workload = :workload AND generation = :generation AND day BETWEEN :first_day AND :last_day
ORDER BY day;

-- name: select_tenants
-- Team of each workload, from its newest run, and its source.
SELECT runs.workload, MAX(runs.team) AS team, MAX(sources.source) AS source
FROM runs
INNER JOIN (
    SELECT workload, MAX(started_at) AS newest_at FROM runs GROUP BY workload
) AS newest ON newest.workload = runs.workload AND newest.newest_at = runs.started_at
LEFT JOIN sources ON sources.workload = runs.workload
GROUP BY runs.workload
ORDER BY runs.workload;

-- name: select_sources
SELECT workload, dag_id, source, generation, declared_at
FROM sources
ORDER BY workload;

-- name: select_ingest_began
SELECT
    COALESCE(
        (
            SELECT MAX(t.started_at)
            FROM tries AS t
            WHERE t.dag_id = r.dag_id AND t.run_id = r.run_id AND t.repeat = r.repeat AND t.step = 'ingest'
        ),
        r.started_at
    ) AS began_at
FROM runs AS r
WHERE r.dag_id = :dag_id AND r.run_id = :run_id AND r.repeat = :repeat;
