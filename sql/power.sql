-- name: lock_power_site
-- Lock the site's watts until the transaction ends: of two concurrent runs, the second one sees what the first one takes.
INSERT INTO power_sites (site, changes)
VALUES (:site, 1)
ON CONFLICT (site) DO UPDATE SET changes = power_sites.changes + 1;

-- name: upsert_power_claim
-- A run keeps its place in the queue as long as it asks, and its watts until they expire.
INSERT INTO power_claims (dag_id, run_id, repeat, site, watts, asked_at, seen_at)
VALUES (:dag_id, :run_id, :repeat, :site, :watts, :at, :at)
ON CONFLICT (dag_id, run_id, repeat) DO UPDATE SET
    watts = excluded.watts,
    seen_at = excluded.seen_at,
    taken_until = CASE WHEN power_claims.taken_until > excluded.seen_at THEN power_claims.taken_until END
RETURNING asked_at, taken_until;

-- name: select_power_queue
-- Watts of a site's other runs, and how many of them asked earlier and still wait. Watts count until the training is
-- committed, the run ends, or they expire.
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
    );

-- name: take_power
UPDATE power_claims
SET taken_until = :taken_until
WHERE dag_id = :dag_id AND run_id = :run_id AND repeat = :repeat;
