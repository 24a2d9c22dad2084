"""Airflow DAG `calibrate`: fits the calibration of plans to the runs that ended, daily."""

from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG

from millrace.orchestration.operators.calibrate import CalibrateOperator

DOC = """Fits, for each kind of hardware and family of models, what plans are made with to what trainings took:
seconds, memory, GPU memory, watts. A new version is used only where it errs no more than the old one on new runs.

**When a run fails** the ledger did not answer: clear the task once it does. Plans go on with the version they have.

**When it logs DRIFT** the newest runs took more or less than their plans said, all to one side: look for another
driver, another tenant of the machine, or data that changed. The new version has learned it already.
"""

with DAG(
    dag_id="calibrate",
    description="Plans learn from what runs took",
    doc_md=DOC,
    schedule="@daily",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    tags=["millrace", "site"],
):
    CalibrateOperator(
        task_id="calibrate",
        owner="ml-platform",
        retries=2,
        retry_delay=timedelta(minutes=5),
        execution_timeout=timedelta(minutes=30),
        doc="Reads plans and measurements from the ledger, stores new versions of what was learned.",
    )
