"""Model server of one workload: a stable version and an optional canary; shutdown and switches drop no request."""
