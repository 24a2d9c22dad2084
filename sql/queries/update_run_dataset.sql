UPDATE runs
SET dataset_version = :dataset_version
WHERE dag_id = :dag_id AND run_id = :run_id AND repeat = :repeat
