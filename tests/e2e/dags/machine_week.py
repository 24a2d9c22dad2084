"""Airflow DAG `machine_week`: the tabular workload for the test of a week's backfill."""

from machine_faults import workload

from millrace.pipeline import build_dag

dag = build_dag(workload("machine_week"))
