SELECT row_count, digest
FROM audit_head
WHERE one = 1
