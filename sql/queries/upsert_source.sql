INSERT INTO sources (workload, dag_id, source, generation, declared_at)
VALUES (:workload, :dag_id, :source, :generation, :at)
ON CONFLICT (workload) DO UPDATE SET
    dag_id = excluded.dag_id,
    source = excluded.source,
    generation = excluded.generation,
    declared_at = excluded.declared_at
WHERE
    sources.source <> excluded.source
    OR sources.generation <> excluded.generation
    OR sources.dag_id <> excluded.dag_id
