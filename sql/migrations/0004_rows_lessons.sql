-- How many rows of a batch a device held for a workload, after it had no room for more: the next run begins with them.

CREATE TABLE rows_lessons (
    workload TEXT NOT NULL,
    hardware TEXT NOT NULL,
    rows_at_once BIGINT NOT NULL,
    learned_at TEXT NOT NULL,
    PRIMARY KEY (workload, hardware)
);
