-- name: insert_calibration
INSERT INTO calibrations (hardware, family, version, runs, calibration, drift, learned_at)
VALUES (:hardware, :family, :version, :runs, :calibration, :drift, :learned_at)
ON CONFLICT (hardware, family, version) DO NOTHING;

-- name: select_calibration
SELECT calibration
FROM calibrations
WHERE hardware = :hardware AND family = :family
ORDER BY version DESC
LIMIT 1;

-- name: select_trained_runs
-- A training of several attempts does part of its work in each: only the last one's memory stands for a whole run.
SELECT
    p.plan,
    CASE WHEN o.tries = 1 THEN t.wall_seconds END AS wall_seconds,
    t.peak_memory_bytes,
    t.peak_gpu_memory_bytes,
    CASE WHEN o.tries = 1 THEN t.joules END AS joules,
    t.energy_method,
    t.energy_coverage
FROM plans AS p
JOIN tries AS t ON t.dag_id = p.dag_id AND t.run_id = p.run_id AND t.repeat = p.repeat
JOIN (
    SELECT dag_id, run_id, repeat, COUNT(*) AS tries
    FROM tries
    WHERE step = 'train'
    GROUP BY dag_id, run_id, repeat
) AS o ON o.dag_id = p.dag_id AND o.run_id = p.run_id AND o.repeat = p.repeat
WHERE t.step = 'train' AND t.outcome = 'ok' AND t.wall_seconds > 0
ORDER BY t.committed_at, t.dag_id, t.run_id, t.repeat;
