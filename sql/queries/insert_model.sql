INSERT INTO models (
    workload, version, uri, manifest_sha256, state, dataset_uri, dataset_version, dataset_generation, dataset_until,
    size_bytes, export_error, export_tolerance, dag_id, run_id, repeat, created_at
)
VALUES (
    :workload, :version, :uri, :manifest_sha256, 'candidate', :dataset_uri, :dataset_version, :dataset_generation,
    :dataset_until, :size_bytes, :export_error, :export_tolerance, :dag_id, :run_id, :repeat, :at
)
ON CONFLICT DO NOTHING
