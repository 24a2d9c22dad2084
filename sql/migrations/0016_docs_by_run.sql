-- where Data Docs are is known from run and try, and no step is asked
ALTER TABLE dataset_versions DROP COLUMN docs_uri;
