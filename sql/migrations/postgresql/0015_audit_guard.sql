-- Rows of the audit are inserted, each after the last one, and stay. Inserting one moves the head. The rights of the
-- role that applications use are narrower still (`millrace ledger grant`): this holds for the owner, too.

-- The owner's rights move the head, so that an application needs none on it. Names are qualified by the table's own schema.
CREATE FUNCTION audit_move_head() RETURNS TRIGGER
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    moved BIGINT;
BEGIN
    EXECUTE format(
        'UPDATE %I.audit_head SET row_count = $1, digest = $2 WHERE row_count = $1 - 1 AND digest = $3', TG_TABLE_SCHEMA
    ) USING NEW.sequence, NEW.digest, NEW.previous;
    GET DIAGNOSTICS moved = ROW_COUNT;
    IF moved <> 1 THEN
        RAISE EXCEPTION 'audit: a row follows the last one' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION audit_refuse() RETURNS TRIGGER
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'audit: rows are inserted only' USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE TRIGGER audit_moves_head BEFORE INSERT ON audit FOR EACH ROW EXECUTE FUNCTION audit_move_head();

CREATE TRIGGER audit_is_insert_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse();

-- within a trigger the depth is 1, and 2 where the insertion's own trigger moves the head
CREATE TRIGGER audit_head_follows_rows BEFORE UPDATE OF row_count, digest ON audit_head
FOR EACH ROW WHEN (PG_TRIGGER_DEPTH() = 0) EXECUTE FUNCTION audit_refuse();

CREATE TRIGGER audit_head_stays BEFORE DELETE OR TRUNCATE ON audit_head
FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse();
