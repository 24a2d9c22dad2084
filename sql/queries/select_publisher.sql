-- Of a version that several generations have, the newest one's.
SELECT run_id, repeat
FROM dataset_versions
WHERE workload = (SELECT r.workload FROM runs AS r WHERE r.dag_id = :dag_id LIMIT 1)
    AND version = :version AND dag_id = :dag_id
ORDER BY generation DESC
LIMIT 1
