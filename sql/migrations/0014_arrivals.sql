-- What the store said of a day's file when it was read: another text now, and the file was changed since.
ALTER TABLE partitions ADD COLUMN source_identity TEXT;

-- Each workload's source as its newest run declared it: where files that come or change late are looked for.
CREATE TABLE sources (
    workload TEXT NOT NULL PRIMARY KEY,
    dag_id TEXT NOT NULL,
    source TEXT NOT NULL,
    generation INTEGER NOT NULL,
    declared_at TEXT NOT NULL
);
