SELECT predicted, approved_by
FROM budget_runs
WHERE budget = :budget AND dag_id = :dag_id AND run_id = :run_id AND repeat = :repeat
