"""Airflow DAG `machine_faults`: a tabular, single-label workload through the same framework as the text one."""

from datetime import date

from millrace.contracts.data import Column, Dataset, Expectations, Source, Split, Target
from millrace.contracts.workload import GatePolicy, ServingPolicy, Training, Workload
from millrace.pipeline import build_dag

GATE = GatePolicy(metric="macro_f1", quality_floor=0.5, min_test_rows=50)


def workload(name: str, gate: GatePolicy = GATE) -> Workload:
    """The workload under another name, with arrivals, a model and a service of its own."""
    return Workload(
        name=name,
        description="Says from a machine's sensors whether it is well, worn or broken.",
        owner="ml-platform",
        team="airflow_env",
        start=date(2026, 1, 1),
        schedule="@daily",
        dataset=Dataset(
            source=Source(uri_template=f"{{arrivals}}/{name}/{{partition}}.csv", format="csv"),
            columns=(
                Column(name="id", type="int64", minimum=0),
                Column(name="temperature", type="float64", minimum=-50, maximum=500),
                Column(name="vibration", type="float64", minimum=0),
                Column(name="load", type="float64", minimum=0, maximum=1),
                Column(name="state", type="string"),
            ),
            features=("temperature", "vibration", "load"),
            target=Target(column="state", kind="single_label", labels=("well", "worn", "broken")),
            split=Split(key="id"),
            unique_by=("id",),
            expectations=Expectations(min_rows=10),
        ),
        training=Training(
            trainer="mlp_classifier",
            epochs=3,
            batch_size=32,
            learning_rate=1e-2,
            options={"checkpoint_seconds": 1.0},
        ),
        gate=gate,
        serving=ServingPolicy(requests_per_step=20, watch_seconds=2),
    )


dag = build_dag(workload("machine_faults"))
