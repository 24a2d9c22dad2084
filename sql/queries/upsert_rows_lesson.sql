INSERT INTO rows_lessons (workload, hardware, rows_at_once, learned_at)
VALUES (:workload, :hardware, :rows_at_once, :at)
ON CONFLICT (workload, hardware) DO UPDATE
SET rows_at_once = excluded.rows_at_once, learned_at = excluded.learned_at
WHERE excluded.rows_at_once < rows_lessons.rows_at_once
