"""Airflow DAG `machine_generations`: the tabular workload for the test of a data set's second generation."""

import json
from pathlib import Path

from machine_faults import GATE, workload

from millrace.pipeline import build_dag

# what the test declares anew while Airflow runs, as a person edits a DAG file
declared = {"load": "float64", "generation": 1, "floor": GATE.quality_floor}
changed = Path(__file__).with_name("machine_generations.json")
if changed.exists():
    declared |= json.loads(changed.read_text())

ours = workload("machine_generations", GATE.model_copy(update={"quality_floor": declared["floor"]}))
columns = tuple(
    column.model_copy(update={"type": declared["load"]}) if column.name == "load" else column
    for column in ours.dataset.columns
)
dataset = ours.dataset.model_copy(update={"columns": columns, "generation": declared["generation"]})
# airflow dag: built where it is parsed
dag = build_dag(ours.model_copy(update={"dataset": dataset}))
