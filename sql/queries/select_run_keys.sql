-- What stands in braces are the ledger's own words, from a fixed list (views.py), never a user's.
SELECT dag_id, run_id, repeat, started_at, {value} AS sort_value
FROM run_figures
WHERE
    dag_id = :dag_id
    {states}
    AND {start} >= :since AND {start} < :until
    AND {value} {beyond}= :value
    AND ({value}, started_at, dag_id, run_id, repeat)
    {beyond} (:value, :after_start, :after_dag, :after_run, :after_repeat)
ORDER BY {value} {direction}, started_at {direction}, run_id {direction}, repeat {direction}
LIMIT :row_limit
