"""Airflow DAG `machine_kill`: the tabular workload for the test of killed training."""

from machine_faults import workload

from millrace.pipeline import build_dag

dag = build_dag(workload("machine_kill", min_test_rows=100_000))
