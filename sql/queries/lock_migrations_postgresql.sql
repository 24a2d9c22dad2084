-- PostgreSQL only (SQLite's BEGIN IMMEDIATE does the same). The number is "millrace" in ASCII.
SELECT PG_ADVISORY_XACT_LOCK(7883951835720016741)
