-- Names that changed: corrections after an OOM kill, and the tasks plan_ingest (was divide) and finish (was close).

ALTER TABLE memory_lessons RENAME TO oom_corrections;
ALTER TABLE rows_lessons RENAME TO device_rows_corrections;
UPDATE tries SET step = 'plan_ingest' WHERE step = 'divide';
UPDATE tries SET step = 'finish' WHERE step = 'close';
