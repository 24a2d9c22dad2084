"""Airflow DAG `machine_hours`: the tabular workload, in the cleanest hours of the next twelve."""

from machine_faults import workload

from millrace.contracts.workload import StartPolicy
from millrace.pipeline import build_dag

timing = StartPolicy(prefer="carbon", within_hours=12)
dag = build_dag(workload("machine_hours").model_copy(update={"timing": timing}))
