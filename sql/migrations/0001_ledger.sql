-- The ledger's tables, for SQLite 3.39 or later and PostgreSQL 14 or later.
-- Times are UTC ISO-8601 text of one width, so that they sort as text. Unknown is NULL, never 0.

CREATE TABLE runs (
    dag_id TEXT NOT NULL,
    run_id TEXT NOT NULL,
    repeat INTEGER NOT NULL,
    workload TEXT NOT NULL,
    team TEXT NOT NULL,
    site TEXT NOT NULL,
    partition_first TEXT NOT NULL,
    partition_last TEXT NOT NULL,
    run_type TEXT NOT NULL,
    state TEXT NOT NULL CHECK (
        state IN ('running', 'success', 'failed', 'skipped', 'dry_run', 'rejected', 'rolled_back', 'superseded')
    ),
    reason TEXT,
    quality_metric TEXT NOT NULL CHECK (quality_metric IN ('micro_f1', 'macro_f1')),
    verdict TEXT,
    decision TEXT,
    dataset_version BIGINT,
    model_version TEXT,
    started_at TEXT NOT NULL,
    finished_at TEXT,
    revision BIGINT NOT NULL,
    PRIMARY KEY (dag_id, run_id, repeat),
    CHECK ((state = 'running') = (finished_at IS NULL)),
    CHECK (state = 'running' OR (reason IS NOT NULL AND LENGTH(reason) > 0))
);

CREATE UNIQUE INDEX one_running_repeat ON runs (dag_id, run_id) WHERE state = 'running';

CREATE INDEX runs_by_start ON runs (started_at);

CREATE TABLE tries (
    dag_id TEXT NOT NULL,
    run_id TEXT NOT NULL,
    repeat INTEGER NOT NULL,
    task_id TEXT NOT NULL,
    map_index INTEGER NOT NULL,
    try_number INTEGER NOT NULL,
    process_uid TEXT NOT NULL,
    step TEXT NOT NULL,
    outcome TEXT NOT NULL CHECK (outcome IN ('ok', 'skipped', 'failed', 'interrupted', 'lost')),
    reason TEXT NOT NULL,
    started_at TEXT,
    wall_seconds DOUBLE PRECISION,
    cpu_seconds DOUBLE PRECISION,
    peak_memory_bytes BIGINT,
    peak_gpu_memory_bytes BIGINT,
    read_bytes BIGINT,
    written_bytes BIGINT,
    joules DOUBLE PRECISION,
    energy_method TEXT,
    energy_coverage DOUBLE PRECISION,
    report TEXT,
    committed_at TEXT NOT NULL,
    PRIMARY KEY (dag_id, run_id, repeat, task_id, map_index, try_number, process_uid),
    FOREIGN KEY (dag_id, run_id, repeat) REFERENCES runs (dag_id, run_id, repeat)
);

CREATE TABLE plans (
    dag_id TEXT NOT NULL,
    run_id TEXT NOT NULL,
    repeat INTEGER NOT NULL,
    plan TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    stored_at TEXT NOT NULL,
    seconds DOUBLE PRECISION NOT NULL,
    peak_memory_bytes DOUBLE PRECISION NOT NULL,
    peak_gpu_memory_bytes DOUBLE PRECISION,
    joules DOUBLE PRECISION NOT NULL,
    cost DOUBLE PRECISION,
    currency TEXT,
    gco2e DOUBLE PRECISION,
    cost_per_joule DOUBLE PRECISION,
    cost_per_second DOUBLE PRECISION,
    gco2e_per_joule DOUBLE PRECISION,
    PRIMARY KEY (dag_id, run_id, repeat),
    FOREIGN KEY (dag_id, run_id, repeat) REFERENCES runs (dag_id, run_id, repeat)
);

-- One row a workload: updating it is the lock under which its models change, and numbers their events.
CREATE TABLE workloads (
    workload TEXT NOT NULL PRIMARY KEY,
    changes BIGINT NOT NULL
);

CREATE TABLE dataset_versions (
    workload TEXT NOT NULL,
    version BIGINT NOT NULL,
    uri TEXT NOT NULL,
    docs_uri TEXT NOT NULL,
    dag_id TEXT NOT NULL,
    run_id TEXT NOT NULL,
    repeat INTEGER NOT NULL,
    published_at TEXT NOT NULL,
    PRIMARY KEY (workload, version),
    FOREIGN KEY (dag_id, run_id, repeat) REFERENCES runs (dag_id, run_id, repeat)
);

CREATE TABLE partitions (
    workload TEXT NOT NULL,
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
    PRIMARY KEY (workload, day),
    CHECK ((state = 'committed') = (dataset_version IS NOT NULL)),
    FOREIGN KEY (workload, dataset_version) REFERENCES dataset_versions (workload, version),
    FOREIGN KEY (dag_id, run_id, repeat) REFERENCES runs (dag_id, run_id, repeat)
);

CREATE TABLE models (
    workload TEXT NOT NULL,
    version TEXT NOT NULL,
    uri TEXT NOT NULL,
    manifest_sha256 TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('candidate', 'live', 'retired', 'rejected', 'rolled_back')),
    dataset_uri TEXT NOT NULL,
    dataset_version BIGINT NOT NULL,
    dataset_until TEXT NOT NULL,
    size_bytes BIGINT NOT NULL,
    export_error DOUBLE PRECISION NOT NULL,
    export_tolerance DOUBLE PRECISION NOT NULL,
    dag_id TEXT NOT NULL,
    run_id TEXT NOT NULL,
    repeat INTEGER NOT NULL,
    created_at TEXT NOT NULL,
    promoted_at TEXT,
    previous_version TEXT,
    PRIMARY KEY (workload, version),
    FOREIGN KEY (dag_id, run_id, repeat) REFERENCES runs (dag_id, run_id, repeat)
);

CREATE UNIQUE INDEX one_live_model ON models (workload) WHERE state = 'live';

CREATE TABLE model_events (
    workload TEXT NOT NULL,
    sequence BIGINT NOT NULL,
    version TEXT NOT NULL,
    event TEXT NOT NULL CHECK (event IN ('registered', 'promoted', 'retired', 'restored', 'rejected', 'rolled_back')),
    actor TEXT NOT NULL,
    reason TEXT NOT NULL,
    at TEXT NOT NULL,
    PRIMARY KEY (workload, sequence),
    FOREIGN KEY (workload, version) REFERENCES models (workload, version)
);

CREATE TABLE evaluations (
    workload TEXT NOT NULL,
    version TEXT NOT NULL,
    dag_id TEXT NOT NULL,
    run_id TEXT NOT NULL,
    repeat INTEGER NOT NULL,
    role TEXT NOT NULL CHECK (role IN ('candidate', 'live')),
    row_count BIGINT NOT NULL,
    micro_f1 DOUBLE PRECISION NOT NULL,
    macro_f1 DOUBLE PRECISION NOT NULL,
    calibration_error DOUBLE PRECISION NOT NULL,
    p50_latency_seconds DOUBLE PRECISION NOT NULL,
    p99_latency_seconds DOUBLE PRECISION NOT NULL,
    joules_per_request DOUBLE PRECISION,
    energy_method TEXT,
    peak_memory_bytes BIGINT NOT NULL,
    quality TEXT NOT NULL,
    evaluated_at TEXT NOT NULL,
    PRIMARY KEY (workload, version, dag_id, run_id, repeat),
    FOREIGN KEY (workload, version) REFERENCES models (workload, version),
    FOREIGN KEY (dag_id, run_id, repeat) REFERENCES runs (dag_id, run_id, repeat)
);
