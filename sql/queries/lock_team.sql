-- Holds the team's spending until the transaction ends: of two runs side by side the second one sees what the first takes.
INSERT INTO teams (team, changes)
VALUES (:team, 1)
ON CONFLICT (team) DO UPDATE SET changes = teams.changes + 1
