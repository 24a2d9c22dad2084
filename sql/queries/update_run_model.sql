UPDATE runs
SET model_version = :model_version, dataset_version = :dataset_version
WHERE dag_id = :dag_id AND run_id = :run_id AND repeat = :repeat
