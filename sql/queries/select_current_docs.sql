SELECT DISTINCT dataset_versions.docs_uri
FROM dataset_versions
INNER JOIN partitions
    ON
        partitions.workload = dataset_versions.workload
        AND partitions.generation = dataset_versions.generation
        AND partitions.dataset_version = dataset_versions.version
