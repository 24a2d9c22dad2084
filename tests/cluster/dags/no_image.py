"""Airflow DAG `no_image`: a step whose image nobody has."""

from airflow.sdk import DAG, TriggerRule
from machine_faults import workload

from millrace.orchestration.operators.finish import FinishOperator
from millrace.orchestration.operators.pod_step import PodStepOperator
from millrace.pipeline import trigger_form
from millrace.runs import step_specs

WORKLOAD = workload("no_image")

with DAG("no_image", schedule=None, params=trigger_form(WORKLOAD), start_date=None) as dag:
    step = PodStepOperator(task_id="ingest", image="of-nobody", make_task=step_specs.ingest, workload=WORKLOAD)
    step >> FinishOperator(task_id="finish", workload=WORKLOAD, trigger_rule=TriggerRule.ALL_DONE)
