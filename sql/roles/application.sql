-- The rights of the role that Airflow and the commands use, given by the owner of the tables: of the audit it may read
-- and insert rows alone. The role's name is in the setting millrace.application.
DO $$
DECLARE
    application TEXT := CURRENT_SETTING('millrace.application');
    place TEXT := CURRENT_SCHEMA();
    relation TEXT;
BEGIN
    EXECUTE FORMAT('GRANT USAGE ON SCHEMA %I TO %I', place, application);
    FOR relation IN
        SELECT c.relname FROM pg_class AS c
        WHERE c.relnamespace = place::REGNAMESPACE AND c.relkind IN ('r', 'v')
            AND PG_GET_USERBYID(c.relowner) = CURRENT_USER
    LOOP
        EXECUTE FORMAT('GRANT SELECT, INSERT, UPDATE, DELETE ON %I.%I TO %I', place, relation, application);
    END LOOP;
    EXECUTE FORMAT('REVOKE ALL ON audit, audit_head, migrations FROM %I', application);
    EXECUTE FORMAT('GRANT SELECT, INSERT ON audit TO %I', application);
    EXECUTE FORMAT('GRANT SELECT, UPDATE (turn) ON audit_head TO %I', application);
    EXECUTE FORMAT('GRANT SELECT ON migrations TO %I', application);
END $$;
