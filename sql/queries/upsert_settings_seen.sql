-- Changes a row only where what is in force is another: of two processes that see it at once, one does.
INSERT INTO settings_seen (subject, content, seen_at)
VALUES (:subject, :content, :at)
ON CONFLICT (subject) DO UPDATE SET content = excluded.content, seen_at = excluded.seen_at
WHERE settings_seen.content <> excluded.content
