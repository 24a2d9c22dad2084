"""The ledger: plans, reports, dataset and model versions and measurements, in one database."""
