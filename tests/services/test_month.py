"""A month's backfill on S3, eight runs at a time, over runs in flight and partitions that are there, and then again."""

import os
import time
from collections.abc import Iterator
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable

from millrace.ledger.ledger import Ledger
from millrace.storage import files, s3
from tests.e2e.conftest import Plant, machine_rows

DAG = "machine_faults"
ROWS = 60
MONTH = [date(2026, 1, 1) + timedelta(days=offset) for offset in range(31)]
THERE, FLYING, ABSENT, BESIDE = MONTH[:2], MONTH[2], MONTH[19], MONTH[30]
TERMINAL = {"success", "skipped", "rejected", "superseded"}


@pytest.fixture
def plant(tmp_path: Path, s3_uri: str, repository: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name, value in {"STORAGE_URI": f"{s3_uri}/store", "ARRIVALS_URI": f"{s3_uri}/arrivals"}.items():
        monkeypatch.setenv(f"MILLRACE_{name}", value)
    dags = tmp_path / "dags"
    dags.mkdir()
    (dags / f"{DAG}.py").write_text((repository / "tests" / "e2e" / "dags" / f"{DAG}.py").read_text())
    made = Plant(tmp_path, dags)
    made.ledger = Ledger(os.environ.get("MILLRACE_LEDGER_URL") or f"sqlite:///{tmp_path / 'ledger.db'}")
    for day in MONTH:
        if day != ABSENT:
            lines = "\n".join(machine_rows(day, ROWS)) + "\n"
            files.write_bytes(f"{s3_uri}/arrivals/{DAG}/{day}.csv", lines.encode())
    with made.running():
        yield made


def table(plant: Plant, version: int | None = None) -> DeltaTable:
    dataset = plant.ledger.latest_dataset(DAG, until=date.max)
    return DeltaTable(dataset.uri, version=version, storage_options=s3.delta_options(dataset.uri))


def rows_by_day(plant: Plant, version: int | None = None) -> dict[date, int]:
    read = table(plant, version).to_pyarrow_table(columns=["partition_"])
    counts = read.group_by("partition_").aggregate([("partition_", "count")]).to_pylist()
    return {row["partition_"]: row["partition__count"] for row in counts}


def versions(plant: Plant) -> dict[int, tuple[str, str, str]]:
    """Which run and repeat wrote which partition, for each version of the table that wrote rows."""
    history = [entry for entry in table(plant).history() if entry["operation"] == "WRITE"]
    return {entry["version"]: (entry["run_id"], entry["repeat"], entry["partition"]) for entry in history}


def backfill(plant: Plant, first: date, last: date, reprocess: str) -> None:
    plant.wait(lambda: not plant.api.backfills_running(DAG), "the end of the backfill before", timeout_seconds=120)
    plant.command(
        "backfill", "create", "--dag-id", DAG, "--from-date", f"{first}", "--to-date", f"{last}",
        "--max-active-runs", "8", "--reprocess-behavior", reprocess,
    )  # fmt: skip


def ended(plant: Plant) -> bool:
    return not plant.api.backfills_running(DAG) and not plant.ledger.open_runs(DAG)


def trained(plant: Plant) -> list[dict[str, Any]]:
    return [row for row in plant.ledger.run_summary(dag_id=DAG, limit=500) if row["model_version"]]


@pytest.mark.long
@pytest.mark.timeout(1500)
def test_a_months_days_are_published_once_and_one_model_of_the_newest_data_is_live(plant: Plant) -> None:
    begun = time.monotonic()
    plant.api.await_dag(DAG)
    plant.api.unpause(DAG)
    there = plant.run(partition_from=f"{THERE[0]}", partition_to=f"{THERE[-1]}", train="never")
    assert plant.finish(there)["state"] == "success"
    flying = f'{{"partition_from": "{FLYING}", "partition_to": "{FLYING}", "train": "never"}}'
    plant.command("dags", "trigger", DAG, "--logical-date", f"{FLYING}T00:00:00+00:00", "--conf", flying)
    beside = plant.run(partition_from=f"{BESIDE}", partition_to=f"{BESIDE}", train="never")
    backfill(plant, MONTH[0], MONTH[-1], "none")
    plant.wait(partial(ended, plant), "the month", timeout_seconds=1000)
    print(f"a month: {time.monotonic() - begun:.0f} s")

    # each day is there once, and the table's history says by which run
    published = [day for day in MONTH if day != ABSENT]
    assert rows_by_day(plant) == dict.fromkeys(published, ROWS)
    wrote = versions(plant)
    assert sorted(partition for _, _, partition in wrote.values()) == [str(day) for day in published]
    by_day = {partition: run_id for run_id, _, partition in wrote.values()}
    assert {by_day[f"{day}"] for day in THERE} == {there}
    rows = {row["run_id"]: row for row in plant.ledger.run_summary(dag_id=DAG, limit=500)}
    assert {rows[run_id]["state"] for run_id in by_day.values()} == {"success"}
    runs = [row for row in rows.values() if row["run_id"].startswith("backfill")]
    assert len(runs) == len(MONTH) - 1, "the day of a run in flight was not left to it"
    assert {row["state"] for row in rows.values()} <= TERMINAL
    assert all(row["reason"] for row in rows.values())
    assert rows[beside]["state"] == "success"

    # one training, on a version that is named and holds all days up to its own
    (one,) = trained(plant)
    dataset = plant.ledger.plan(DAG, one["run_id"]).dataset
    live = plant.ledger.live_model(DAG)
    assert (live.dataset, live.run.run_id, dataset.until) == (dataset, one["run_id"], MONTH[-1])
    assert rows_by_day(plant, dataset.version) == dict.fromkeys(published, ROWS)

    # repeated it is nothing at all, or by choice the same rows again
    backfill(plant, MONTH[0], MONTH[-1], "none")
    plant.wait(partial(ended, plant), "nothing")
    assert len(plant.ledger.run_summary(dag_id=DAG, limit=500)) == len(rows)
    begun = time.monotonic()
    backfill(plant, MONTH[-7], MONTH[-1], "completed")
    plant.wait(partial(ended, plant), "the last week again", timeout_seconds=400)
    print(f"a week again: {time.monotonic() - begun:.0f} s")
    again = [row for row in plant.ledger.run_summary(dag_id=DAG, limit=500) if row["repeat"]]
    assert len(again) == 7
    assert {row["state"] for row in again} <= TERMINAL
    assert versions(plant) == wrote
    assert rows_by_day(plant) == dict.fromkeys(published, ROWS)
    assert len(trained(plant)) == 2, "of the week again the newest day's run trains, and no other"
    assert plant.ledger.live_model(DAG).dataset.until == MONTH[-1]
