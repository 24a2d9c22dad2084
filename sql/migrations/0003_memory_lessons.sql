-- What a step of a workload needed after it was killed for want of memory: the next run asks for as much at once.

CREATE TABLE memory_lessons (
    workload TEXT NOT NULL,
    step TEXT NOT NULL,
    memory_bytes BIGINT NOT NULL,
    learned_at TEXT NOT NULL,
    PRIMARY KEY (workload, step)
);
