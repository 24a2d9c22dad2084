-- Each DAG that the audit knows, by leaps over the index by DAG: as many steps as there are DAGs, however many rows.
WITH RECURSIVE known (dag_id) AS (
    SELECT MIN(dag_id) FROM audit
    UNION ALL
    SELECT (SELECT MIN(a.dag_id) FROM audit AS a WHERE a.dag_id > known.dag_id)
    FROM known
    WHERE known.dag_id IS NOT NULL
)

SELECT dag_id FROM known WHERE dag_id IS NOT NULL
