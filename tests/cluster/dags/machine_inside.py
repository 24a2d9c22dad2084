"""Airflow DAG `machine_inside`: for an Airflow that runs in the cluster itself."""

from machine_faults import workload

from millrace.pipeline import build_dag

dag = build_dag(workload("machine_inside"))
