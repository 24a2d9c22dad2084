INSERT INTO calibrations (hardware, family, version, runs, calibration, drift, learned_at)
VALUES (:hardware, :family, :version, :runs, :calibration, :drift, :learned_at)
ON CONFLICT (hardware, family, version) DO NOTHING
