"""Airflow DAG `machine_kill`: the tabular workload for the test of killed training."""

from machine_faults import workload

from millrace.contracts.workload import GatePolicy
from millrace.pipeline import build_dag

# nothing fails and nothing passes: a person decides about every candidate
gate = GatePolicy(
    metric="macro_f1", quality_floor=0, max_quality_drop=1, max_latency_increase=1_000, min_test_rows=100_000
)
dag = build_dag(workload("machine_kill", gate))
