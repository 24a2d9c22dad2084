SELECT factor FROM memory_factors WHERE family = :family AND hardware = :hardware AND calibration = :calibration
