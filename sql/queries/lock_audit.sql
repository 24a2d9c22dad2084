-- Holds the chain's end until the transaction ends. It is taken last of a transaction's locks, so that none waits in a ring.
UPDATE audit_head
SET turn = turn + 1
WHERE one = 1
RETURNING row_count, digest
