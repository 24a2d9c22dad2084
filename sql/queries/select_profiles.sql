SELECT profile
FROM partitions
WHERE
    workload = :workload AND generation = :generation AND state = 'committed' AND profile IS NOT NULL
    AND day <= :until
    AND NOT (day BETWEEN :outside_first AND :outside_last)
ORDER BY day
