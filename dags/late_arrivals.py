"""Airflow DAG `late_arrivals`: triggers runs for days whose file came or changed after their run, every 15 minutes."""

from datetime import UTC, datetime, timedelta

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import DAG

from millrace.orchestration.operators.late_arrivals import LateArrivalsOperator

DOC = """Asks the ledger which days of a workload were skipped for want of data, failed or were read, looks at their
files (as far back as the source's `late_days`), and triggers a run of the workload's DAG for each day whose file has
come or changed since. Such a run publishes the day; it trains if no newer data is there.
DAGs that are paused are left alone.

**When a run fails** a store or the ledger did not answer: the next run looks again.

**When a day is not taken up** look for its run in the workload's DAG, `late__DAY__…`: a file is taken up once, until it
changes again. Clear that run, or trigger one with `partition_from` and `partition_to`.
"""

with DAG(
    dag_id="late_arrivals",
    description="Takes up days whose file came or changed late",
    doc_md=DOC,
    schedule="*/15 * * * *",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    tags=["millrace", "site"],
    default_args={
        "owner": "ml-platform",
        "retries": 2,
        "retry_delay": timedelta(minutes=1),
        "execution_timeout": timedelta(minutes=10),
    },
):
    look = LateArrivalsOperator(task_id="look", doc="Holds the ledger's days against the files that are there.")
    TriggerDagRunOperator.partial(
        task_id="trigger",
        logical_date=None,
        skip_when_already_exists=True,
        openlineage_inject_parent_info=False,  # it would be a parameter that no workload has
        doc="A run a day, under a name that the same file has once.",
    ).expand_kwargs(look.output)
