"""Airflow DAGs `machine_red` and `machine_blue`: workloads of two teams."""

from machine_faults import workload

from millrace.pipeline import build_dag

red = build_dag(workload("machine_red").model_copy(update={"team": "red"}))
blue = build_dag(workload("machine_blue").model_copy(update={"team": "blue"}))
