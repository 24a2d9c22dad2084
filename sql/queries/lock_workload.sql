-- Holds the workload's models until the transaction ends, and numbers the event that follows.
INSERT INTO workloads (workload, changes)
VALUES (:workload, 1)
ON CONFLICT (workload) DO UPDATE SET changes = workloads.changes + 1
RETURNING changes
