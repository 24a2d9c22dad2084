-- Holds the site's watts until the transaction ends: of two runs side by side the second one sees what the first one takes.
INSERT INTO power_sites (site, changes)
VALUES (:site, 1)
ON CONFLICT (site) DO UPDATE SET changes = power_sites.changes + 1
