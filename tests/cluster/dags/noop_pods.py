"""Airflow DAG `noop_pods`: thirty steps in a row that find nothing to do, each in a pod of its own."""

from datetime import timedelta

from airflow.sdk import DAG, TriggerRule
from machine_faults import workload

from millrace.orchestration.operators.pod_step import PodStepOperator
from millrace.pipeline import trigger_form
from millrace.runs import step_specs

WORKLOAD = workload("noop_pods")

with DAG("noop_pods", schedule=None, params=trigger_form(WORKLOAD), start_date=None) as dag:
    before = None
    for number in range(30):
        step = PodStepOperator(
            task_id=f"noop_{number:02d}",
            image="data",
            make_task=step_specs.ingest,
            workload=WORKLOAD,
            trigger_rule=TriggerRule.ALL_DONE,
            execution_timeout=timedelta(minutes=5),
        )
        if before:
            before >> step
        before = step
