-- Each DAG that ever ran, by leaps over the primary key: as many steps as there are DAGs, however many runs.
WITH RECURSIVE known (dag_id) AS (
    SELECT MIN(dag_id) FROM runs
    UNION ALL
    SELECT (SELECT MIN(r.dag_id) FROM runs AS r WHERE r.dag_id > known.dag_id)
    FROM known
    WHERE known.dag_id IS NOT NULL
)

SELECT dag_id FROM known WHERE dag_id IS NOT NULL
