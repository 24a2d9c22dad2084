"""The model server: one workload, two versions, no dropped request."""
