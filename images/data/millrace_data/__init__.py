"""The data image: arrivals into staging, staging into the Delta table."""

import logging
import os

# Set here because the libraries read them when they are imported.

# Nobody's service is told about a run, and what Great Expectations does inside is not this step's log.
os.environ["GX_ANALYTICS_ENABLED"] = "false"
logging.getLogger("great_expectations").setLevel(logging.WARNING)

# The memory of Delta's Rust writer grows with these threads, which outrun its encoding (it has threads of its own):
# with two 0.9 GB for 0.9 GB of rows, with one 0.4 GB in the same time.
os.environ.setdefault("TOKIO_WORKER_THREADS", "1")
