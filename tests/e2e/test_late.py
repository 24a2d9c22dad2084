"""Files that come late, grow while they are read, or come after their run was skipped; on a real Airflow."""

import threading
import time
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from deltalake import DeltaTable

from tests.e2e.conftest import AirflowEnv

LATE, PUNCTUAL, SITE = "machine_late", "machine_punctual", "late_arrivals"


def published(airflow_env: AirflowEnv, dag: str, day: date) -> list[int]:
    """The ids of a day's published rows."""
    dataset = airflow_env.ledger.latest_dataset(dag, until=date(2099, 1, 1))
    table = DeltaTable(dataset.uri, version=dataset.version).to_pyarrow_table(columns=["id", "partition_"])
    return sorted(row["id"] for row in table.to_pylist() if row["partition_"] == day)


def ids(day: date, rows: int) -> list[int]:
    return [day.toordinal() * 10_000 + number for number in range(rows)]


def scheduled(airflow_env: AirflowEnv, dag: str, day: date) -> str:
    """The scheduled run of a day, once its first task is known to the ledger."""

    def found() -> str | None:
        rows = airflow_env.ledger.run_summary(dag_id=dag, limit=50)
        return next(
            (row["run_id"] for row in rows if row["run_id"].startswith("scheduled") and row["partition"] == f"{day}"),
            None,
        )

    return str(airflow_env.wait(found, f"the scheduled run of {dag}"))


@pytest.mark.timeout(900)
def test_a_file_that_grows_is_published_whole(airflow_env: AirflowEnv, first_day: date) -> None:
    """A plain copy, of which each pause lies within a row: what was there when ingest began is a third of it."""
    path = airflow_env.deliver(first_day, LATE, rows=3000)
    text = path.read_bytes()
    third = len(text) // 3 + 5
    path.write_bytes(text[:third])
    done = threading.Event()
    began: dict[str, Any] = {}

    def copy() -> None:
        written = third
        with path.open("ab") as file:
            while not done.wait(0.5):
                if began and time.monotonic() - began["at"] > 5:
                    file.write(text[written:])
                    return
                # a few bytes at a time until ingest has been at it for a while
                file.write(text[written : written + 7])
                file.flush()
                written += 7

    writer = threading.Thread(target=copy)
    writer.start()
    try:
        run_id = airflow_env.run(LATE, partition_from=f"{first_day}", partition_to=f"{first_day}", train="never")
        airflow_env.wait(
            lambda: airflow_env.api.tasks(LATE, run_id).get("ingest", {}).get("state") == "running", "ingest is at work"
        )
        began["at"] = time.monotonic()
        row = airflow_env.finish(run_id, LATE)
    finally:
        done.set()
        writer.join()
    assert row["state"] == "success", row
    assert published(airflow_env, LATE, first_day) == ids(first_day, 3000)
    (partition,) = airflow_env.ledger.partition_rows(LATE, first_day, first_day)
    assert (partition["row_count"], partition["source_bytes"]) == (3000, len(text))
    assert partition["source_identity"] == f"{len(text)} bytes, modified {path.stat().st_mtime_ns} ns"


@pytest.mark.timeout(900)
def test_a_scheduled_run_waits_for_a_file_that_comes_hours_late_and_takes_no_worker(airflow_env: AirflowEnv) -> None:
    airflow_env.api.await_dag(LATE)
    airflow_env.api.unpause(LATE)
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    run_id = scheduled(airflow_env, LATE, yesterday)
    airflow_env.wait(
        lambda: airflow_env.api.tasks(LATE, run_id)["plan_ingest"]["state"] == "deferred", "the run waits, deferred"
    )
    assert airflow_env.summary(run_id, LATE)["state"] == "running"
    airflow_env.deliver(yesterday, LATE, rows=400)
    row = airflow_env.finish(run_id, LATE)
    assert row["state"] == "success", row
    assert row["model_version"]
    assert published(airflow_env, LATE, yesterday) == ids(yesterday, 400)


@pytest.mark.timeout(900)
def test_a_day_that_was_skipped_and_one_that_changed_are_taken_up_by_themselves(airflow_env: AirflowEnv) -> None:
    airflow_env.api.await_dag(PUNCTUAL)
    airflow_env.api.unpause(PUNCTUAL)
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    skipped = airflow_env.finish(scheduled(airflow_env, PUNCTUAL, yesterday), PUNCTUAL)
    assert skipped["state"] == "skipped"
    assert (
        f"no new data by {yesterday + timedelta(days=1)} 00:00 UTC: the source's folder does not" in skipped["reason"]
    )

    airflow_env.deliver(yesterday, PUNCTUAL, rows=400)
    (first,) = taken_up(airflow_env, expected=1)
    assert first["state"] == "success", first
    assert first["model_version"], "it is the newest data, so that it trains"
    assert published(airflow_env, PUNCTUAL, yesterday) == ids(yesterday, 400)
    assert taken_up(airflow_env, expected=1) == [first], "once"

    airflow_env.deliver(yesterday, PUNCTUAL, rows=500)
    rows = taken_up(airflow_env, expected=2)
    assert {row["state"] for row in rows} <= {"success", "superseded", "rejected", "rolled_back"}, rows
    assert published(airflow_env, PUNCTUAL, yesterday) == ids(yesterday, 500)


def taken_up(airflow_env: AirflowEnv, expected: int) -> list[dict[str, Any]]:
    """What runs of late days there are, ended, after the site's DAG has looked once more."""
    time.sleep(2.1)  # a file has to be quiet for two seconds
    looked = airflow_env.run(SITE)
    airflow_env.wait(lambda: airflow_env.api.run_state(SITE, looked) in ("success", "failed"), f"run {looked}")
    assert airflow_env.api.run_state(SITE, looked) == "success"

    def ended() -> list[dict[str, Any]]:
        rows = [row for row in airflow_env.ledger.run_summary(dag_id=PUNCTUAL) if row["run_id"].startswith("late__")]
        done = len(rows) == expected and all(row["state"] != "running" for row in rows)
        return rows if done else []

    found: list[dict[str, Any]] = airflow_env.wait(ended, f"{expected} runs of late days")
    for row in found:
        airflow_env.finish(row["run_id"], PUNCTUAL)
    return sorted(found, key=lambda row: str(row["started_at"]))
