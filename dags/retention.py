"""Airflow DAG `retention`: removes what the retention settings do not keep from the store, daily."""

from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG

from millrace.orchestration.operators.sweep import SweepOperator

DOC = """Removes, by the site's MILLRACE_RETENTION_* settings, folders of ended runs, unfinished uploads, files of a
table that no version in use has, and old model versions; counts it in the ledger, with what each workload stores.

**When a run fails** read the red task's log: an error names the file, the rule and the remedy. Nothing that a live
version names is ever removed; clear the task once the store or the ledger answers again.
"""

with DAG(
    dag_id="retention",
    description="Removes from the store what no live version names",
    doc_md=DOC,
    schedule="@daily",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    tags=["millrace", "site"],
):
    SweepOperator(
        task_id="sweep",
        owner="ml-platform",
        retries=2,
        retry_delay=timedelta(minutes=5),
        execution_timeout=timedelta(hours=2),
        doc="Measures, sweeps and counts.",
    )
