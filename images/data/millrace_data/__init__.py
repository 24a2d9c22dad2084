"""Code of the data image: ingest writes arrivals to staging, validate commits staged partitions to the Delta table."""

import logging
import os

# Set here because the libraries read these variables when they are imported.

# Great Expectations sends no usage analytics, and its internal messages stay out of the step's log.
os.environ["GX_ANALYTICS_ENABLED"] = "false"
logging.getLogger("great_expectations").setLevel(logging.WARNING)

# These threads supply the encoder of Delta's Rust writer, which has its own threads, faster than it encodes: memory
# grows with their number. For 0.9 GB of rows it is 0.9 GB with two threads and 0.4 GB with one, in the same time.
os.environ.setdefault("TOKIO_WORKER_THREADS", "1")
