-- A run keeps its place for as long as it asks, and the watts that it has until their time is over.
INSERT INTO power_claims (dag_id, run_id, repeat, site, watts, asked_at, seen_at)
VALUES (:dag_id, :run_id, :repeat, :site, :watts, :at, :at)
ON CONFLICT (dag_id, run_id, repeat) DO UPDATE SET
    watts = excluded.watts,
    seen_at = excluded.seen_at,
    taken_until = CASE WHEN power_claims.taken_until > excluded.seen_at THEN power_claims.taken_until END
RETURNING asked_at, taken_until
