"""Airflow DAG `machine_asks`: the tabular workload, whose gate lets every candidate pass."""

from machine_faults import workload

from millrace.contracts.workload import GatePolicy
from millrace.pipeline import build_dag

gate = GatePolicy(metric="macro_f1", quality_floor=0, max_quality_drop=1, max_latency_increase=1_000, min_test_rows=1)
dag = build_dag(workload("machine_asks", gate))
