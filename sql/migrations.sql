-- name: lock_migrations_postgresql
-- PostgreSQL only (SQLite's BEGIN IMMEDIATE does the same). The number is "millrace" in ASCII.
SELECT PG_ADVISORY_XACT_LOCK(7883951835720016741);

-- name: select_migrations_table_postgresql
-- PostgreSQL only: a role without the right to create tables looks here first.
SELECT TO_REGCLASS('migrations') IS NOT NULL AS is_there;

-- name: create_migrations
CREATE TABLE IF NOT EXISTS migrations (
    name TEXT NOT NULL PRIMARY KEY,
    sha256 TEXT NOT NULL,
    applied_at TEXT NOT NULL
);

-- name: select_migrations
SELECT name, sha256
FROM migrations
ORDER BY name;

-- name: set_application_postgresql
-- PostgreSQL only: the role that roles/application.sql grants rights to, until the transaction ends.
SELECT SET_CONFIG('millrace.application', :role, TRUE);

-- name: insert_migration
INSERT INTO migrations (name, sha256, applied_at)
VALUES (:name, :sha256, :at);
