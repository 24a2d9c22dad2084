"""Airflow DAG `machine_audit`: the tabular workload, where two people decide about every candidate."""

from machine_faults import workload

from millrace.contracts.workload import ApprovalPolicy, GatePolicy
from millrace.pipeline import build_dag

# nothing fails and nothing passes: a person decides about every candidate
gate = GatePolicy(
    metric="macro_f1", quality_floor=0, max_quality_drop=1, max_latency_increase=1_000, min_test_rows=100_000
)
audited = workload("machine_audit", gate)
dag = build_dag(audited.model_copy(update={"approval": ApprovalPolicy(two_people=True)}))
