"""Airflow DAGs `machine_late`, whose scheduled runs wait for their files, and `machine_punctual`, whose do not."""

from datetime import timedelta

from machine_faults import workload

from millrace.contracts.workload import Workload
from millrace.pipeline import build_dag


def arriving_within(name: str, within: timedelta) -> Workload:
    """The workload under another name, whose files may come so long after their day."""
    plain = workload(name)
    source = plain.dataset.source.model_copy(update={"arrives_within": within})
    return plain.model_copy(update={"dataset": plain.dataset.model_copy(update={"source": source})})


# the scheduled run of yesterday: at any hour the one still waits, and the other does not
late = build_dag(arriving_within("machine_late", timedelta(hours=30)))
punctual = build_dag(arriving_within("machine_punctual", timedelta(seconds=1)))
