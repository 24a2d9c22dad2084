-- Budgets that the runs of a backfill share, by the name that is among their parameters, and what each run may spend.
-- `unit` is the site's currency or kWh, and the two rates turn measured joules and seconds into it.

CREATE TABLE budgets (
    name TEXT NOT NULL PRIMARY KEY,
    dag_id TEXT NOT NULL,
    amount DOUBLE PRECISION NOT NULL,
    unit TEXT NOT NULL,
    predicted DOUBLE PRECISION NOT NULL,
    per_joule DOUBLE PRECISION NOT NULL,
    per_second DOUBLE PRECISION NOT NULL,
    lifted_by TEXT,
    created_at TEXT NOT NULL,
    revision BIGINT NOT NULL
);

CREATE TABLE budget_runs (
    budget TEXT NOT NULL,
    dag_id TEXT NOT NULL,
    run_id TEXT NOT NULL,
    repeat INTEGER NOT NULL,
    predicted DOUBLE PRECISION NOT NULL,
    approved_by TEXT,
    changed_at TEXT NOT NULL,
    PRIMARY KEY (budget, dag_id, run_id, repeat),
    FOREIGN KEY (budget) REFERENCES budgets (name),
    FOREIGN KEY (dag_id, run_id, repeat) REFERENCES runs (dag_id, run_id, repeat)
);
