-- What the other runs of a site draw, and how many of them asked earlier and still look. Watts count until the training
-- is committed, the run ends, or their time is over.
SELECT
    COALESCE(SUM(CASE WHEN c.taken_until > :at THEN c.watts END), 0) AS drawn_watts,
    COUNT(
        CASE
            WHEN c.taken_until IS NULL AND c.seen_at > :seen_since
                AND (c.asked_at, c.dag_id, c.run_id) < (:asked_at, :dag_id, :run_id) THEN 1
        END
    ) AS ahead
FROM power_claims AS c
INNER JOIN runs AS r ON r.dag_id = c.dag_id AND r.run_id = c.run_id AND r.repeat = c.repeat
WHERE
    c.site = :site
    AND r.state = 'running'
    AND NOT (c.dag_id = :dag_id AND c.run_id = :run_id AND c.repeat = :repeat)
    AND NOT EXISTS (
        SELECT 1
        FROM tries AS t
        WHERE t.dag_id = c.dag_id AND t.run_id = c.run_id AND t.repeat = c.repeat AND t.step = 'train' AND t.outcome = 'ok'
    )
