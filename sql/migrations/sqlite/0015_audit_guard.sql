-- Rows of the audit are inserted, each after the last one, and stay, and inserting one moves the head.

CREATE TRIGGER audit_follows BEFORE INSERT ON audit
WHEN
    NOT EXISTS (SELECT 1 FROM audit_head WHERE row_count = NEW.sequence - 1 AND digest = NEW.previous)
    OR EXISTS (SELECT 1 FROM audit WHERE once = NEW.once OR digest = NEW.digest)
BEGIN
    SELECT RAISE(ABORT, 'audit: a row follows the last one and replaces none');
END;

CREATE TRIGGER audit_moves_head AFTER INSERT ON audit
BEGIN
    UPDATE audit_head SET row_count = NEW.sequence, digest = NEW.digest;
END;

CREATE TRIGGER audit_is_not_updated BEFORE UPDATE ON audit
BEGIN
    SELECT RAISE(ABORT, 'audit: rows are inserted only');
END;

CREATE TRIGGER audit_is_not_deleted BEFORE DELETE ON audit
BEGIN
    SELECT RAISE(ABORT, 'audit: rows are inserted only');
END;

CREATE TRIGGER audit_head_follows_rows BEFORE UPDATE OF row_count, digest ON audit_head
WHEN NOT EXISTS (
    SELECT 1 FROM audit
    WHERE sequence = NEW.row_count AND digest = NEW.digest AND sequence = (SELECT MAX(sequence) FROM audit)
)
BEGIN
    SELECT RAISE(ABORT, 'audit: the head is moved by inserting a row');
END;

CREATE TRIGGER audit_head_stays BEFORE DELETE ON audit_head
BEGIN
    SELECT RAISE(ABORT, 'audit: the head stays');
END;
