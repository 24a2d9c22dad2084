"""Real files and real schedules, from arrivals to a served model, through a real Airflow."""

import csv
import json
import random
import subprocess
from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable

from millrace.contracts.data import SPARK, Column
from millrace.contracts.workload import Workload
from tests.e2e.conftest import AirflowEnv

# of a day: a fifth of them is enough for a verdict, also without a label
ROWS = 420

_DAG_FILE = '''"""Airflow DAG `{name}`, as a test declares it."""

from millrace.contracts.workload import Workload
from millrace.pipeline import build_dag

dag = build_dag(Workload.model_validate_json({declared!r}))
'''


def changed(workload: Workload, changes: Mapping[str, Any]) -> Workload:
    """The workload with other fields, each named by its path: {"gate.quality_floor": 1.0}."""
    document = workload.model_dump(mode="json")
    for path, value in changes.items():
        *parents, last = path.split(".")
        place = document
        for parent in parents:
            place = place[parent]
        place[last] = value
    return Workload.model_validate(document)


@pytest.fixture(scope="session")
def machine(load_module: Any, repository: Path) -> Any:
    """The tabular workload, under any name."""
    return load_module(repository / "tests/e2e/dags/machine_faults.py").workload


def declare(airflow_env: AirflowEnv, workload: Workload) -> None:
    """Write the workload's DAG file, or write it anew: tasks read it when they begin."""
    text = _DAG_FILE.format(name=workload.name, declared=workload.model_dump_json())
    (airflow_env.airflow.dags / f"{workload.name}.py").write_text(text)


def run_day(airflow_env: AirflowEnv, name: str, day: date, **conf: object) -> dict[str, Any]:
    """The end of a run of one day."""
    return dict(airflow_env.finish(airflow_env.run(name, partition_from=f"{day}", partition_to=f"{day}", **conf), name))


def published(airflow_env: AirflowEnv, name: str, key: str = "id") -> list[dict[str, Any]]:
    """The rows of the newest published version, in the order of their keys."""
    dataset = airflow_env.ledger.latest_dataset(name, until=date(2099, 1, 1))
    table = DeltaTable(dataset.uri, version=dataset.version).to_pyarrow_table()
    return sorted(table.to_pylist(), key=lambda row: row[key])


def without(file: Path, label: str) -> None:
    """Take the rows of a label out of a day's file."""
    lines = file.read_text().splitlines()
    file.write_text("\n".join(line for line in lines if not line.endswith(f",{label}")) + "\n")


def test_a_day_without_a_rare_label_is_a_normal_day(airflow_env: AirflowEnv, machine: Any, first_day: date) -> None:
    labels = ["well", "worn", "broken"]
    required = machine("rare_required")
    optional = changed(machine("rare_optional"), {"dataset.target.optional_labels": ["broken"]})
    for workload in (required, optional):
        declare(airflow_env, workload)
        without(airflow_env.deliver(first_day, workload.name, rows=ROWS), "broken")

    trained = run_day(airflow_env, "rare_optional", first_day)
    assert trained["state"] == "success", trained
    assert list(airflow_env.ledger.live_model("rare_optional").quality.labels) != []

    refused = run_day(airflow_env, "rare_required", first_day)
    assert refused["state"] == "failed", refused
    assert "broken" in refused["reason"]
    assert refused["dataset_version"] is not None, "the day was not published"
    assert {row["state"] for row in published(airflow_env, "rare_required")} == set(labels[:2])

    following = first_day + timedelta(days=1)
    airflow_env.deliver(following, "rare_required", rows=ROWS)
    row = run_day(airflow_env, "rare_required", following)
    assert row["state"] == "success", row


def test_a_new_nullable_column_is_an_evolution_of_the_table(
    airflow_env: AirflowEnv, machine: Any, first_day: date
) -> None:
    name = "evolving"
    workload = machine(name)
    declare(airflow_env, workload)
    airflow_env.deliver(first_day, name, rows=ROWS)
    assert run_day(airflow_env, name, first_day)["state"] == "success"

    columns = [*workload.dataset.columns, Column(name="pressure", type="float64", nullable=True)]
    wider = changed(workload, {"dataset.columns": [column.model_dump() for column in columns]})
    declare(airflow_env, wider)
    following = first_day + timedelta(days=1)
    file = airflow_env.deliver(following, name, rows=ROWS)
    header, *lines = file.read_text().splitlines()
    # reordered too: the new column comes first
    file.write_text(
        "\n".join([f"pressure,{header}", *(f"{n if n % 2 else ''},{line}" for n, line in enumerate(lines))])
    )
    row = run_day(airflow_env, name, following)
    assert row["state"] == "success", row
    rows = published(airflow_env, name)
    assert len(rows) == 2 * ROWS
    assert {row["pressure"] for row in rows if row["partition_"] == first_day} == {None}
    assert [row["pressure"] for row in rows if row["partition_"] == following][:4] == [None, 1.0, None, 3.0]

    changed_type = [*workload.dataset.columns, Column(name="pressure", type="string", nullable=True)]
    declare(airflow_env, changed(workload, {"dataset.columns": [column.model_dump() for column in changed_type]}))
    refused = run_day(airflow_env, name, following)
    assert refused["state"] == "failed", refused
    assert "pressure" in refused["reason"]
    assert "temperature" not in refused["reason"], "the difference alone"


def test_an_integer_id_of_nineteen_digits_is_kept_exactly(
    airflow_env: AirflowEnv, machine: Any, first_day: date
) -> None:
    name = "long_ids"
    least, most = 2**63 - 10_000, 2**63 - 1
    workload = machine(name)
    columns = [column.model_dump() for column in workload.dataset.columns]
    columns[0] |= {"minimum": least, "maximum": most}
    declare(airflow_env, changed(workload, {"dataset.columns": columns}))
    file = airflow_env.deliver(first_day, name, rows=ROWS)
    header, *lines = file.read_text().splitlines()
    ids = [most - 2 * number for number in range(len(lines))]
    file.write_text("\n".join([header, *(f"{i},{line.split(',', 1)[1]}" for i, line in zip(ids, lines, strict=True))]))
    row = run_day(airflow_env, name, first_day)
    assert row["state"] == "success", row
    assert [row["id"] for row in published(airflow_env, name)] == sorted(ids)

    file.write_text("\n".join([header, *(f"{least - 1},{line.split(',', 1)[1]}" for line in lines[:1]), *lines[1:]]))
    refused = run_day(airflow_env, name, first_day)
    assert refused["state"] == "failed", refused
    assert "too small" in refused["reason"]


_SPARK_WRITES = """
import json, sys
from pyspark.sql import SparkSession
spark = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()
rows = [json.loads(line) for line in open(sys.argv[1], encoding="utf-8")]
schema = "id long, temperature double, vibration double, load double, note string, state string"
frame = spark.createDataFrame(rows, schema)
frame.coalesce(1).write.option("header", True).csv(sys.argv[2])
spark.stop()
"""

NOTES = (
    'size 5"',
    "C:\\new folder\\x",
    'a, b and "c"',
    "two\nlines",
    "ends in \\",
    'both \\" of them',
    "",
    "größe",
    ", \\",
)


def test_a_csv_that_spark_wrote_is_read_as_spark_meant_it(
    airflow_env: AirflowEnv, machine: Any, first_day: date, repository: Path, tmp_path: Path
) -> None:
    python = repository / ".venvs/spark/bin/python"
    if not python.exists():
        pytest.skip("no environment with PySpark here (make spark-test makes it)")
    name = "from_spark"
    workload = machine(name)
    columns = list(workload.dataset.columns)
    columns.insert(4, Column(name="note", type="string"))
    declare(
        airflow_env,
        changed(
            workload,
            {
                "dataset.columns": [column.model_dump() for column in columns],
                "dataset.source.dialect": SPARK.model_dump(),
            },
        ),
    )
    file = airflow_env.deliver(first_day, name, rows=ROWS)
    header, *lines = (line.split(",") for line in file.read_text().splitlines())
    rows = [dict(zip(header, line, strict=True)) for line in lines]
    typed: list[dict[str, Any]] = [
        {
            **{key: float(row[key]) for key in ("temperature", "vibration", "load")},
            "id": int(row["id"]),
            "note": NOTES[number % len(NOTES)],
            "state": row["state"],
        }
        for number, row in enumerate(rows)
    ]
    (tmp_path / "rows.jsonl").write_text("\n".join(json.dumps(row) for row in typed))
    (tmp_path / "write.py").write_text(_SPARK_WRITES)
    subprocess.run(
        [str(python), str(tmp_path / "write.py"), str(tmp_path / "rows.jsonl"), (tmp_path / "out").as_uri()],
        check=True,
        timeout=300,
    )
    (part,) = (tmp_path / "out").glob("part-*.csv")
    file.write_bytes(part.read_bytes())
    row = run_day(airflow_env, name, first_day)
    assert row["state"] == "success", row
    expected = sorted(typed, key=lambda row: row["id"])
    assert [{key: row[key] for key in expected[0]} for row in published(airflow_env, name)] == expected


TELCO = ("customerID", "Gender", "Senior Citizen", "Partner", "tenure", "Monthly Charges", "Total Charges", "Churn")


def telco(path: Path, rows: int = 900) -> None:
    """Customers whose churn follows from tenure and charges; a new one has no total yet, written as a space."""
    chance = random.Random(23)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(TELCO)
        for number in range(rows):
            tenure = chance.randint(0, 72)
            monthly = round(chance.uniform(18, 120), 2)
            leaves = 2.2 - tenure / 15 + monthly / 60 + chance.gauss(0, 0.5) > 1.5
            total = " " if tenure == 0 else f"{tenure * monthly:.2f}"
            who = f"{number:04}-{''.join(chance.choices('ABCDEFGH', k=5))}"
            row = (chance.choice(["Male", "Female"]), int(chance.random() < 0.2), chance.choice(["Yes", "No"]))
            writer.writerow([who, *row, tenure, monthly, total, "Yes" if leaves else "No"])


def test_a_table_of_the_real_world_becomes_a_served_model(
    airflow_env: AirflowEnv, first_day: date, tmp_path: Path
) -> None:
    from millrace.cli.scaffold import write_workload

    name = "telco"
    telco(tmp_path / "telco.csv")
    write_workload(name, airflow_env.airflow.dags, sample=tmp_path / "telco.csv")
    folder = airflow_env.arrivals / name
    folder.mkdir(parents=True)
    (folder / f"{first_day}.csv").write_bytes((tmp_path / "telco.csv").read_bytes())
    row = run_day(airflow_env, name, first_day)
    assert (row["state"], row["decision"]) == ("success", "pass"), row
    live = airflow_env.ledger.live_model(name)
    assert live.model.version == row["model_version"]
    rows = published(airflow_env, name, "customerID")
    assert len(rows) == 900
    assert (rows[0]["customerID"][:5], rows[0]["Churn"]) in {("0000-", "Yes"), ("0000-", "No")}
    assert sum(row["total_charges"] is None for row in rows) == sum(row["tenure"] == 0 for row in rows) > 0
