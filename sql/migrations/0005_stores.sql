-- What stores were seen to do, who may commit to a table where the store cannot say, what is kept and what was swept.

CREATE TABLE stores (
    uri TEXT NOT NULL PRIMARY KEY,
    exclusive INTEGER NOT NULL CHECK (exclusive IN (0, 1)),
    traits TEXT NOT NULL,
    probed_at TEXT NOT NULL
);

CREATE TABLE commit_locks (
    dataset_uri TEXT NOT NULL PRIMARY KEY,
    dag_id TEXT NOT NULL,
    run_id TEXT NOT NULL,
    repeat INTEGER NOT NULL,
    taken_at TEXT NOT NULL,
    FOREIGN KEY (dag_id, run_id, repeat) REFERENCES runs (dag_id, run_id, repeat)
);

CREATE TABLE sweeps (
    swept_at TEXT NOT NULL,
    store_uri TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('attempt', 'part', 'upload', 'table_file', 'model')),
    workload TEXT NOT NULL,
    applied INTEGER NOT NULL CHECK (applied IN (0, 1)),
    item_count BIGINT NOT NULL,
    size_bytes BIGINT NOT NULL,
    PRIMARY KEY (swept_at, store_uri, kind, workload)
);

CREATE TABLE storage_sizes (
    measured_at TEXT NOT NULL,
    store_uri TEXT NOT NULL,
    workload TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('dataset', 'models', 'runs', 'serving')),
    file_count BIGINT NOT NULL,
    size_bytes BIGINT NOT NULL,
    PRIMARY KEY (measured_at, store_uri, workload, kind)
);

-- Versions whose files are gone by policy. A row here comes before the files go.
CREATE TABLE swept_models (
    workload TEXT NOT NULL,
    version TEXT NOT NULL,
    swept_at TEXT NOT NULL,
    PRIMARY KEY (workload, version),
    FOREIGN KEY (workload, version) REFERENCES models (workload, version)
);
