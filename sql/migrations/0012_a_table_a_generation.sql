-- A data set has generations, each with a table, days and versions of its own. What is there already is the first.

ALTER TABLE runs ADD COLUMN generation INTEGER NOT NULL DEFAULT 1;

ALTER TABLE models ADD COLUMN dataset_generation INTEGER NOT NULL DEFAULT 1;

CREATE TABLE dataset_versions_by_generation (
    workload TEXT NOT NULL,
    generation INTEGER NOT NULL,
    version BIGINT NOT NULL,
    uri TEXT NOT NULL,
    docs_uri TEXT NOT NULL,
    dag_id TEXT NOT NULL,
    run_id TEXT NOT NULL,
    repeat INTEGER NOT NULL,
    published_at TEXT NOT NULL,
    PRIMARY KEY (workload, generation, version),
    FOREIGN KEY (dag_id, run_id, repeat) REFERENCES runs (dag_id, run_id, repeat)
);

INSERT INTO dataset_versions_by_generation (
    workload, generation, version, uri, docs_uri, dag_id, run_id, repeat, published_at
)
SELECT workload, 1, version, uri, docs_uri, dag_id, run_id, repeat, published_at
FROM dataset_versions;

CREATE TABLE partitions_by_generation (
    workload TEXT NOT NULL,
    generation INTEGER NOT NULL,
    day TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('staged', 'absent', 'failed', 'committed')),
    reason TEXT,
    row_count BIGINT,
    duplicates BIGINT,
    source_uri TEXT,
    source_bytes BIGINT,
    content_sha256 TEXT,
    profile TEXT,
    dataset_version BIGINT,
    dag_id TEXT NOT NULL,
    run_id TEXT NOT NULL,
    repeat INTEGER NOT NULL,
    changed_at TEXT NOT NULL,
    PRIMARY KEY (workload, generation, day),
    CHECK ((state = 'committed') = (dataset_version IS NOT NULL)),
    FOREIGN KEY (workload, generation, dataset_version)
        REFERENCES dataset_versions_by_generation (workload, generation, version),
    FOREIGN KEY (dag_id, run_id, repeat) REFERENCES runs (dag_id, run_id, repeat)
);

INSERT INTO partitions_by_generation (
    workload, generation, day, state, reason, row_count, duplicates, source_uri, source_bytes, content_sha256, profile,
    dataset_version, dag_id, run_id, repeat, changed_at
)
SELECT
    workload, 1, day, state, reason, row_count, duplicates, source_uri, source_bytes, content_sha256, profile,
    dataset_version, dag_id, run_id, repeat, changed_at
FROM partitions;

DROP TABLE partitions;

DROP TABLE dataset_versions;

ALTER TABLE dataset_versions_by_generation RENAME TO dataset_versions;

ALTER TABLE partitions_by_generation RENAME TO partitions;
