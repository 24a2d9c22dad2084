SELECT
    step, phase, SUM(p.wall_seconds) AS wall_seconds, SUM(p.cpu_seconds) AS cpu_seconds, SUM(p.joules) AS joules,
    CASE WHEN COUNT(p.joules) = COUNT(p.idle_joules) THEN SUM(p.idle_joules) END AS idle_joules,
    SUM(p.energy_coverage * p.wall_seconds)
    / NULLIF(SUM(CASE WHEN p.energy_coverage IS NOT NULL THEN p.wall_seconds END), 0) AS energy_coverage
FROM phases AS p
INNER JOIN tries AS t
    ON t.dag_id = p.dag_id AND t.run_id = p.run_id AND t.repeat = p.repeat AND t.task_id = p.task_id
    AND t.map_index = p.map_index AND t.try_number = p.try_number AND t.process_uid = p.process_uid
WHERE p.dag_id = :dag_id AND p.run_id = :run_id AND p.repeat = :repeat
GROUP BY step, phase
ORDER BY MIN(t.committed_at), step, MIN(phase)
