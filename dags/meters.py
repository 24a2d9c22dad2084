"""Airflow DAG `meters`: stores the joules that the site's meters recorded for ended runs, hourly."""

from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG

from millrace.orchestration.sensors.run_energy import RunEnergySensor

DOC = """Reads, from Prometheus, the joules of each ended run's pods (Kepler, dcgm-exporter) and keeps them beside what
the steps measured themselves (view `run_energy`). Too little coverage is NULL, with the reason.

**When a run fails** Prometheus or the ledger did not answer: clear the task once it does.

**When it is skipped** no Prometheus is named, or no run has ended since.

**When a run has no joules** `metered_reason` says why. Runs, gates and plans do not wait for this DAG.
"""

with DAG(
    dag_id="meters",
    description="Joules of ended runs, as the site's meters saw them",
    doc_md=DOC,
    schedule="@hourly",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    tags=["millrace", "site"],
):
    RunEnergySensor(
        task_id="read",
        owner="ml-platform",
        retries=2,
        retry_delay=timedelta(minutes=5),
        execution_timeout=timedelta(minutes=30),
        doc="Waits in the triggerer for the last scrape, then asks Prometheus for every run that ended.",
    )
