SELECT try_number
FROM tries
WHERE dag_id = :dag_id AND run_id = :run_id AND repeat = :repeat AND step = 'train'
LIMIT 1
