-- When the newest of what was taken over from Airflow's log happened: all that is "asked" comes from there.
SELECT MAX(decided_at) AS decided_at
FROM audit
WHERE outcome = 'asked'
