SELECT e.*, m.tensor_active, m.gpu_memory_active
FROM run_energy AS e
LEFT JOIN metered_runs AS m ON m.dag_id = e.dag_id AND m.run_id = e.run_id AND m.repeat = e.repeat
WHERE e.dag_id = :dag_id AND e.run_id = :run_id
ORDER BY e.repeat
