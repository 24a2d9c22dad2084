SELECT DISTINCT dataset_versions.dag_id, dataset_versions.run_id
FROM dataset_versions
INNER JOIN partitions
    ON
        partitions.workload = dataset_versions.workload
        AND partitions.generation = dataset_versions.generation
        AND partitions.dataset_version = dataset_versions.version
