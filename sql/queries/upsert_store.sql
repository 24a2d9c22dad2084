INSERT INTO stores (uri, exclusive, traits, probed_at)
VALUES (:uri, :exclusive, :traits, :probed_at)
ON CONFLICT (uri) DO UPDATE SET
    exclusive = excluded.exclusive,
    traits = excluded.traits,
    probed_at = excluded.probed_at
