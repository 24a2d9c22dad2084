INSERT INTO dataset_versions (workload, generation, version, uri, dag_id, run_id, repeat, published_at)
VALUES (:workload, :generation, :version, :uri, :dag_id, :run_id, :repeat, :at)
ON CONFLICT DO NOTHING
