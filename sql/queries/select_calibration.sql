SELECT calibration
FROM calibrations
WHERE hardware = :hardware AND family = :family
ORDER BY version DESC
LIMIT 1
