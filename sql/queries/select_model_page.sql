SELECT
    m.workload, m.version, m.uri, m.manifest_sha256, m.state, m.dataset_uri, m.dataset_version, m.dataset_generation,
    m.dataset_until, m.size_bytes, m.dag_id, m.run_id, m.repeat, m.created_at, m.promoted_at, m.previous_version,
    f.measured_joules, f.energy_method, f.cost, f.currency, f.measured_seconds,
    e.micro_f1, e.macro_f1, e.p99_latency_seconds, e.joules_per_request, e.energy_method AS request_energy_method,
    d.dag_id AS docs_dag_id, d.run_id AS docs_run_id, d.repeat AS docs_repeat,
    r.state AS run_state,
    w.swept_at
FROM (
    SELECT *
    FROM models
    WHERE workload = :workload AND (created_at, version) < (:before, :before_version)
    ORDER BY created_at DESC, version DESC
    LIMIT :row_limit
) AS m
INNER JOIN runs AS r ON r.dag_id = m.dag_id AND r.run_id = m.run_id AND r.repeat = m.repeat
LEFT JOIN run_figures AS f ON f.dag_id = m.dag_id AND f.run_id = m.run_id AND f.repeat = m.repeat
LEFT JOIN evaluations AS e
    ON e.workload = m.workload AND e.version = m.version
    AND e.dag_id = m.dag_id AND e.run_id = m.run_id AND e.repeat = m.repeat
LEFT JOIN dataset_versions AS d
    ON d.workload = m.workload AND d.generation = m.dataset_generation AND d.version = m.dataset_version
LEFT JOIN swept_models AS w ON w.workload = m.workload AND w.version = m.version
ORDER BY m.created_at DESC, m.version DESC
