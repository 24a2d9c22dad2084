INSERT INTO dataset_versions (workload, version, uri, docs_uri, dag_id, run_id, repeat, published_at)
VALUES (:workload, :version, :uri, :docs_uri, :dag_id, :run_id, :repeat, :at)
ON CONFLICT DO NOTHING
