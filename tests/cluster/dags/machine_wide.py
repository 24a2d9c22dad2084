"""Airflow DAG `machine_wide`: the tabular workload with 17 million weights, which a small pod does not hold."""

from machine_faults import workload

from millrace.pipeline import build_dag

plain = workload("machine_wide")
options = {**plain.training.options, "hidden": "4096,4096"}
training = plain.training.model_copy(update={"options": options, "epochs": 1, "learning_rate": 1e-4})
# no candidate passes: nobody wants this model
gate = plain.gate.model_copy(update={"min_test_rows": 100_000})
dag = build_dag(plain.model_copy(update={"training": training, "gate": gate}))
