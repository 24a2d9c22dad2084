INSERT INTO memory_lessons (workload, step, memory_bytes, learned_at)
VALUES (:workload, :step, :memory_bytes, :at)
ON CONFLICT (workload, step) DO UPDATE
SET memory_bytes = excluded.memory_bytes, learned_at = excluded.learned_at
WHERE excluded.memory_bytes > memory_lessons.memory_bytes
