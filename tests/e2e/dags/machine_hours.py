"""Airflow DAG `machine_hours`: the tabular workload, in the cleanest hours of the next twelve, with people to tell."""

from datetime import timedelta
from typing import Any

from airflow.providers.smtp.notifications.smtp import SmtpNotifier
from airflow.sdk import AsyncCallback, DeadlineAlert  # type: ignore[attr-defined]
from machine_faults import workload

from millrace.contracts.workload import StartPolicy
from millrace.orchestration.deadlines import PredictedFinish
from millrace.pipeline import build_dag

PEOPLE: dict[str, Any] = {"from_email": "airflow@airflow_env.example", "to": "people@airflow_env.example"}
# of a deadline Airflow gives the run as its REST API does
LATE = {"subject": "is late", "html_content": "{{ dag_run.dag_run_id }}", **PEOPLE}

dag = build_dag(
    workload("machine_hours").model_copy(update={"timing": StartPolicy(prefer="carbon", within_hours=12)}),
    notifiers=[SmtpNotifier(subject="needs somebody", html_content="{{ dag_run.run_id }}", **PEOPLE)],
    # a day before it can have ended: each run that has a deadline is late
    deadline=DeadlineAlert(PredictedFinish(), timedelta(days=-1), AsyncCallback(SmtpNotifier, LATE)),
)
