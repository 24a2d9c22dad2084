INSERT INTO sources (workload, dag_id, source, declared_at)
VALUES (:workload, :dag_id, :source, :at)
ON CONFLICT (workload) DO UPDATE SET
    dag_id = excluded.dag_id,
    source = excluded.source,
    declared_at = excluded.declared_at
WHERE sources.source <> excluded.source OR sources.dag_id <> excluded.dag_id
