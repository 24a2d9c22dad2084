INSERT INTO memory_factors (family, hardware, calibration, factor, learned_at)
VALUES (:family, :hardware, :calibration, :factor, :at)
ON CONFLICT (family, hardware, calibration) DO UPDATE SET factor = excluded.factor, learned_at = excluded.learned_at
