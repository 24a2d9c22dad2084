SELECT
    COALESCE(
        (
            SELECT MAX(t.started_at)
            FROM tries AS t
            WHERE t.dag_id = r.dag_id AND t.run_id = r.run_id AND t.repeat = r.repeat AND t.step = 'ingest'
        ),
        r.started_at
    ) AS began_at
FROM runs AS r
WHERE r.dag_id = :dag_id AND r.run_id = :run_id AND r.repeat = :repeat
