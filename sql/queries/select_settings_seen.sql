SELECT content
FROM settings_seen
WHERE subject = :subject
