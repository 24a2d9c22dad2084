"""A store that is killed and started again in the middle of ingest and of training costs retries, and nothing else.

MILLRACE_TEST_OUTAGES says how: a JSON list of {"name", "store": "s3" or "hdfs", "stop", "start"}, shell commands.
"""

import json
import os
import subprocess
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable

from millrace.runs.run import run_folder_uri
from millrace.storage import files, s3
from tests.e2e.conftest import AirflowEnv, machine_rows

REPOSITORY = Path(__file__).resolve().parents[2]
DAG = "machine_faults"
DAY = date(2026, 3, 2)
ROWS = 6_000
DOWN_SECONDS = 8
OUTAGES = json.loads(os.environ.get("MILLRACE_TEST_OUTAGES", "[]"))


@pytest.fixture(params=OUTAGES or [None], ids=[each["name"] for each in OUTAGES] or ["none"])
def outage(request: pytest.FixtureRequest) -> dict[str, str]:
    if request.param is None:
        pytest.skip("MILLRACE_TEST_OUTAGES says no way to stop a store")
    return dict(request.param)


@pytest.fixture
def airflow_env(
    outage: dict[str, str], tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Any]:
    store = str(request.getfixturevalue(f"{outage['store']}_uri"))
    monkeypatch.setenv("MILLRACE_STORAGE_URI", f"{store}/store")
    monkeypatch.setenv("MILLRACE_ARRIVALS_URI", f"{store}/arrivals")
    dags = tmp_path / "dags"
    dags.mkdir()
    (dags / f"{DAG}.py").write_text((REPOSITORY / "tests" / "e2e" / "dags" / f"{DAG}.py").read_text())
    made = AirflowEnv(tmp_path, dags)
    lines = "\n".join(machine_rows(DAY, ROWS)) + "\n"
    files.write_bytes(f"{store}/arrivals/{DAG}/{DAY}.csv", lines.encode())
    with made.running():
        yield made


def strike(outage: dict[str, str]) -> None:
    """Kill the store, wait, and have it back, whatever happens in between."""
    try:
        subprocess.run(outage["stop"], shell=True, check=True, timeout=60)
        time.sleep(DOWN_SECONDS)
    finally:
        subprocess.run(outage["start"], shell=True, timeout=300, capture_output=True)


@pytest.mark.outage
@pytest.mark.timeout(900)
def test_a_run_outlives_a_store_that_is_killed_in_ingest_and_in_training(
    airflow_env: AirflowEnv, outage: dict[str, str]
) -> None:
    run_id = airflow_env.run(DAG, partition_from=f"{DAY}", partition_to=f"{DAY}", epochs=40, batch_size=16)
    folder = run_folder_uri(os.environ["MILLRACE_STORAGE_URI"], DAG, run_id)
    airflow_env.wait(lambda: airflow_env.api.tasks(DAG, run_id)["ingest"]["state"] == "running", "ingest")
    strike(outage)

    def trained_a_while() -> bool:
        names = files.names(f"{folder}/train/state-0")
        return any(name.startswith("checkpoint-") and int(name.split("-")[1]) > 0 for name in names)

    airflow_env.wait(trained_a_while, "a checkpoint of the training")
    strike(outage)
    row = airflow_env.finish(run_id, DAG)
    assert row["state"] == "success", row
    tries = airflow_env.ledger.tries(DAG, run_id, 0)
    print(outage["name"], [(each["task_id"], each["try_number"], each["outcome"]) for each in tries])

    dataset = airflow_env.ledger.latest_dataset(DAG, until=date.max)
    table = DeltaTable(dataset.uri, version=dataset.version, storage_options=s3.delta_options(dataset.uri))
    assert table.version() == 1, "the day was published more than once"
    assert sorted(table.to_pyarrow_table(columns=["id"])["id"].to_pylist()) == [
        DAY.toordinal() * 10_000 + number for number in range(ROWS)
    ]
    losses = files.read_bytes(f"{folder}/train/state-0/losses.jsonl").decode().splitlines()
    assert [json.loads(line)["step"] for line in losses] == list(range(1, len(losses) + 1)), "a step is missing"
    assert airflow_env.ledger.live_model(DAG).model.version == row["model_version"]
