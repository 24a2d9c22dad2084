SELECT p.plan, t.wall_seconds, t.peak_memory_bytes, t.peak_gpu_memory_bytes, t.joules, t.energy_method, t.energy_coverage
FROM plans AS p
JOIN tries AS t ON t.dag_id = p.dag_id AND t.run_id = p.run_id AND t.repeat = p.repeat
WHERE
    t.step = 'train' AND t.outcome = 'ok' AND t.wall_seconds > 0
    AND NOT EXISTS (
        SELECT 1
        FROM tries AS other
        WHERE
            other.dag_id = t.dag_id AND other.run_id = t.run_id AND other.repeat = t.repeat AND other.step = 'train'
            AND (other.try_number <> t.try_number OR other.process_uid <> t.process_uid)
    )
ORDER BY t.committed_at, t.dag_id, t.run_id, t.repeat
