"""The tasks of a run's DAG, and Airflow's states of a task."""

TASKS = (
    "plan_ingest", "ingest", "validate", "await_earlier_partitions", "size", "await_start", "train", "export",
    "evaluate", "gate", "approve", "roll_out", "watch", "finish",
)  # fmt: skip
"""The ids of a run's tasks, in their order; a test compares them with the DAG."""

ENDED = ("success", "failed", "skipped", "upstream_failed", "removed")
"""States of a task that has ended; in any other, its next attempt may go on with the running process or pod."""
