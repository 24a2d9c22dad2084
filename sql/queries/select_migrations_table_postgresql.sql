-- PostgreSQL only: a role that may create no table asks first.
SELECT TO_REGCLASS('migrations') IS NOT NULL AS is_there
