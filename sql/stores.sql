-- name: upsert_store
INSERT INTO stores (uri, exclusive, traits, probed_at)
VALUES (:uri, :exclusive, :traits, :probed_at)
ON CONFLICT (uri) DO UPDATE SET
    exclusive = excluded.exclusive,
    traits = excluded.traits,
    probed_at = excluded.probed_at;

-- name: select_store
SELECT traits FROM stores WHERE uri = :uri;

-- name: take_commit_lock
INSERT INTO commit_locks (dataset_uri, dag_id, run_id, repeat, taken_at)
VALUES (:dataset_uri, :dag_id, :run_id, :repeat, :at)
ON CONFLICT (dataset_uri) DO UPDATE SET
    dag_id = excluded.dag_id,
    run_id = excluded.run_id,
    repeat = excluded.repeat,
    taken_at = excluded.taken_at
WHERE
    (commit_locks.dag_id = excluded.dag_id AND commit_locks.run_id = excluded.run_id)
    OR NOT EXISTS (
        SELECT 1
        FROM runs
        WHERE
            runs.dag_id = commit_locks.dag_id
            AND runs.run_id = commit_locks.run_id
            AND runs.repeat = commit_locks.repeat
            AND runs.state = 'running'
    );

-- name: release_commit_lock
DELETE FROM commit_locks
WHERE dag_id = :dag_id AND run_id = :run_id AND repeat = :repeat;
