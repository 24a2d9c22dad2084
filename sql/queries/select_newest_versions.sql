SELECT workload, uri, MAX(version) AS version
FROM dataset_versions
GROUP BY workload, uri
ORDER BY workload, uri
