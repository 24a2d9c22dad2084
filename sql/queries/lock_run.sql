-- Holds the run until the transaction ends: commits, plans and the close of one run follow each other.
UPDATE runs
SET revision = revision + 1
WHERE dag_id = :dag_id AND run_id = :run_id AND repeat = :repeat
RETURNING workload, state, partition_first, partition_last, team, site, started_at, generation
