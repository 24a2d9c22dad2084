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
from tests.e2e.conftest import AirflowEnv, machine_rows

DAG = "machine_faults"
ROWS = 60
MONTH = [date(2026, 1, 1) + timedelta(days=offset) for offset in range(31)]
THERE, FLYING, ABSENT, BESIDE = MONTH[:2], MONTH[2], MONTH[19], MONTH[30]
TERMINAL = {"success", "skipped", "rejected", "superseded"}


@pytest.fixture
def airflow_env(tmp_path: Path, s3_uri: str, repository: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name, value in {"STORAGE_URI": f"{s3_uri}/store", "ARRIVALS_URI": f"{s3_uri}/arrivals"}.items():
        monkeypatch.setenv(f"MILLRACE_{name}", value)
    dags = tmp_path / "dags"
    dags.mkdir()
    (dags / f"{DAG}.py").write_text((repository / "tests" / "e2e" / "dags" / f"{DAG}.py").read_text())
    made = AirflowEnv(tmp_path, dags)
    made.ledger = Ledger(os.environ.get("MILLRACE_LEDGER_URL") or f"sqlite:///{tmp_path / 'ledger.db'}")
    for day in MONTH:
        if day != ABSENT:
            lines = "\n".join(machine_rows(day, ROWS)) + "\n"
            files.write_bytes(f"{s3_uri}/arrivals/{DAG}/{day}.csv", lines.encode())
    with made.running():
        yield made


def table(airflow_env: AirflowEnv, version: int | None = None) -> DeltaTable:
    dataset = airflow_env.ledger.latest_dataset(DAG, until=date.max)
    return DeltaTable(dataset.uri, version=version, storage_options=s3.delta_options(dataset.uri))


def rows_by_day(airflow_env: AirflowEnv, version: int | None = None) -> dict[date, int]:
    read = table(airflow_env, version).to_pyarrow_table(columns=["partition_"])
    counts = read.group_by("partition_").aggregate([("partition_", "count")]).to_pylist()
    return {row["partition_"]: row["partition__count"] for row in counts}


def versions(airflow_env: AirflowEnv) -> dict[int, tuple[str, str, str]]:
    """Which run and repeat wrote which partition, for each version of the table that wrote rows."""
    history = [entry for entry in table(airflow_env).history() if entry["operation"] == "WRITE"]
    return {entry["version"]: (entry["run_id"], entry["repeat"], entry["partition"]) for entry in history}


def backfill(airflow_env: AirflowEnv, first: date, last: date, reprocess: str) -> None:
    airflow_env.wait(
        lambda: not airflow_env.api.backfills_running(DAG), "the end of the backfill before", timeout_seconds=120
    )
    airflow_env.command(
        "backfill", "create", "--dag-id", DAG, "--from-date", f"{first}", "--to-date", f"{last}",
        "--max-active-runs", "8", "--reprocess-behavior", reprocess,
    )  # fmt: skip


def ended(airflow_env: AirflowEnv) -> bool:
    return not airflow_env.api.backfills_running(DAG) and not airflow_env.ledger.open_runs(DAG)


def trained(airflow_env: AirflowEnv) -> list[dict[str, Any]]:
    return [row for row in airflow_env.ledger.run_summary(dag_id=DAG, limit=500) if row["model_version"]]


@pytest.mark.long
@pytest.mark.timeout(1500)
def test_a_months_days_are_published_once_and_one_model_of_the_newest_data_is_live(airflow_env: AirflowEnv) -> None:
    begun = time.monotonic()
    airflow_env.api.await_dag(DAG)
    airflow_env.api.unpause(DAG)
    there = airflow_env.run(partition_from=f"{THERE[0]}", partition_to=f"{THERE[-1]}", train="never")
    assert airflow_env.finish(there)["state"] == "success"
    flying = f'{{"partition_from": "{FLYING}", "partition_to": "{FLYING}", "train": "never"}}'
    airflow_env.command("dags", "trigger", DAG, "--logical-date", f"{FLYING}T00:00:00+00:00", "--conf", flying)
    beside = airflow_env.run(partition_from=f"{BESIDE}", partition_to=f"{BESIDE}", train="never")
    backfill(airflow_env, MONTH[0], MONTH[-1], "none")
    airflow_env.wait(partial(ended, airflow_env), "the month", timeout_seconds=1000)
    print(f"a month: {time.monotonic() - begun:.0f} s")

    # each day is there once, and the table's history says by which run
    published = [day for day in MONTH if day != ABSENT]
    assert rows_by_day(airflow_env) == dict.fromkeys(published, ROWS)
    wrote = versions(airflow_env)
    assert sorted(partition for _, _, partition in wrote.values()) == [str(day) for day in published]
    by_day = {partition: run_id for run_id, _, partition in wrote.values()}
    assert {by_day[f"{day}"] for day in THERE} == {there}
    rows = {row["run_id"]: row for row in airflow_env.ledger.run_summary(dag_id=DAG, limit=500)}
    assert {rows[run_id]["state"] for run_id in by_day.values()} == {"success"}
    runs = [row for row in rows.values() if row["run_id"].startswith("backfill")]
    assert len(runs) == len(MONTH) - 1, "the day of a run in flight was not left to it"
    assert {row["state"] for row in rows.values()} <= TERMINAL
    assert all(row["reason"] for row in rows.values())
    assert rows[beside]["state"] == "success"

    # one training, on a version that is named and holds all days up to its own
    (one,) = trained(airflow_env)
    dataset = airflow_env.ledger.plan(DAG, one["run_id"]).dataset
    live = airflow_env.ledger.live_model(DAG)
    assert (live.dataset, live.run.run_id, dataset.until) == (dataset, one["run_id"], MONTH[-1])
    assert rows_by_day(airflow_env, dataset.version) == dict.fromkeys(published, ROWS)

    # repeated it is nothing at all, or by choice the same rows again
    backfill(airflow_env, MONTH[0], MONTH[-1], "none")
    airflow_env.wait(partial(ended, airflow_env), "nothing")
    assert len(airflow_env.ledger.run_summary(dag_id=DAG, limit=500)) == len(rows)
    begun = time.monotonic()
    backfill(airflow_env, MONTH[-7], MONTH[-1], "completed")
    airflow_env.wait(partial(ended, airflow_env), "the last week again", timeout_seconds=400)
    print(f"a week again: {time.monotonic() - begun:.0f} s")
    again = [row for row in airflow_env.ledger.run_summary(dag_id=DAG, limit=500) if row["repeat"]]
    assert len(again) == 7
    assert {row["state"] for row in again} <= TERMINAL
    assert versions(airflow_env) == wrote
    assert rows_by_day(airflow_env) == dict.fromkeys(published, ROWS)
    assert len(trained(airflow_env)) == 2, "of the week again the newest day's run trains, and no other"
    assert airflow_env.ledger.live_model(DAG).dataset.until == MONTH[-1]
