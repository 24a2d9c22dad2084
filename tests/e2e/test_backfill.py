"""A week's backfill, twice, and a run by hand beside it."""

import re
import shlex
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import date, timedelta
from functools import partial

import pytest
from deltalake import DeltaTable

from tests.e2e.conftest import AirflowEnv

DAG = "machine_week"
TERMINAL = {"success", "skipped", "rejected", "superseded"}


def rows_by_day(airflow_env: AirflowEnv) -> dict[str, int]:
    dataset = airflow_env.ledger.latest_dataset(DAG, until=date(2099, 1, 1))
    table = DeltaTable(dataset.uri, version=dataset.version).to_pyarrow_table(columns=["partition_"])
    counts = table.group_by("partition_").aggregate([("partition_", "count")]).to_pylist()
    return {str(row["partition_"]): row["partition__count"] for row in counts}


def live_versions(airflow_env: AirflowEnv) -> list[str]:
    with closing(sqlite3.connect(airflow_env.airflow.home / "ledger.db")) as connection:
        return [
            row[0]
            for row in connection.execute("select version from models where state = 'live' and workload = ?", [DAG])
        ]


def backfill(airflow_env: AirflowEnv, week: list[date]) -> None:
    airflow_env.command(
        "backfill", "create", "--dag-id", DAG, "--from-date", f"{week[0]}", "--to-date", f"{week[-1]}",
        "--max-active-runs", "3", "--reprocess-behavior", "completed",
    )  # fmt: skip


@pytest.mark.timeout(900)
def test_a_week_twice_leaves_each_row_once_and_one_live_model(airflow_env: AirflowEnv, week: list[date]) -> None:
    absent = week[3]
    for day in week:
        if day != absent:
            airflow_env.deliver(day, workload=DAG)
    airflow_env.api.await_dag(DAG)
    airflow_env.api.unpause(DAG)

    counts = []
    for repeat in range(2):
        backfill(airflow_env, week)
        by_hand = (
            airflow_env.run(DAG, partition_from=f"{week[1]}", partition_to=f"{week[1]}", train="never")
            if repeat
            else None
        )
        airflow_env.wait(partial(ended, airflow_env, week, repeat), f"backfill {repeat + 1}", timeout_seconds=420)
        if by_hand:
            assert airflow_env.finish(by_hand, DAG)["state"] == "success"
        counts.append({day: rows_by_day(airflow_env).get(f"{day}") for day in week})
        assert len(live_versions(airflow_env)) == 1
        assert airflow_env.ledger.live_model(DAG).dataset.until == week[-1]

    assert counts[0] == counts[1] == {day: None if day == absent else 120 for day in week}
    rows = [row for row in airflow_env.ledger.run_summary(dag_id=DAG) if row["run_id"].startswith("backfill")]
    assert len(rows) == 14
    assert {row["state"] for row in rows} <= TERMINAL
    assert all(row["reason"] for row in rows)
    trained = [row for row in rows if row["model_version"]]
    assert [row["partition"] for row in trained].count(None) == 0
    assert len(trained) == 2, "in each backfill the newest run trains, and no other"
    assert sum("no new data" in row["reason"] for row in rows) == 2


def test_a_backfill_has_a_price_before_it_starts(airflow_env: AirflowEnv, week: list[date]) -> None:
    later = [day + timedelta(days=7) for day in week[:3]]
    for day in later[:2]:
        airflow_env.deliver(day, workload=DAG)
    asked = ["--dag-id", DAG, "--from-date", f"{week[0]}", "--to-date", f"{later[-1]}", "--dag-run-conf", "{}"]
    said = price(airflow_env, *asked)
    # the first week has run; of the three days after it one has no arrivals
    assert "3, 1 of them without data; 1 train" in said
    assert re.search(r"energy +0\.\d{4} kWh", said)
    assert "money      unknown" in said
    assert f"airflow backfill create --dag-id {DAG}" in said
    assert "10, 2 of them without data; 1 train" in price(airflow_env, *asked, "--reprocess-behavior", "completed")
    with pytest.raises(AssertionError, match="epochs"):
        price(airflow_env, *asked[:-1], '{"epochs": 0}')


@pytest.mark.timeout(900)
def test_a_backfill_that_breaks_its_budget_stops_at_its_first_task_for_a_person(
    airflow_env: AirflowEnv, week: list[date]
) -> None:
    days = [day + timedelta(days=14) for day in week[:3]]
    for day in (week[0], *days):
        airflow_env.deliver(day, workload=DAG, rows=600)
    # a price needs a day that is known
    airflow_env.finish(airflow_env.run(DAG, partition_from=f"{week[0]}", partition_to=f"{week[0]}", train="never"), DAG)
    given = ["--dag-id", DAG, "--from-date", f"{days[0]}", "--to-date", f"{days[-1]}", "--budget-kwh", "0.000001"]
    said = price(airflow_env, *given)
    assert "does not fit: every run stops at its first task and asks a person" in said
    airflow_env.api.unpause(DAG)
    airflow_env.wait(
        lambda: not airflow_env.api.backfills_running(DAG), "the end of the backfill before", timeout_seconds=120
    )
    airflow_env.command(*shlex.split(said.strip().splitlines()[-1].partition(" airflow ")[2]))

    def runs() -> dict[str, str]:
        rows = airflow_env.ledger.run_summary(dag_id=DAG, limit=200)
        found = {row["partition"]: row["run_id"] for row in rows if row["partition"] in map(str, days)}
        return found if len(found) == len(days) else {}

    found = airflow_env.wait(runs, "every run's first task")
    for run_id in found.values():
        airflow_env.wait(partial(asks, airflow_env, run_id), f"the question of {run_id}")
    assert airflow_env.ledger.partition_rows(DAG, days[0], days[-1]) == [], (
        "something was read before a person was asked"
    )
    for day in days[1:]:
        airflow_env.api.decide(DAG, found[f"{day}"], "Reject", "plan_ingest")
        row = airflow_env.finish(found[f"{day}"], DAG)
        assert row["state"] == "rejected"
        assert re.match(r"the backfill's budget of .* kWh .*not approved, by admin", row["reason"])
    airflow_env.api.decide(DAG, found[f"{days[0]}"], "Approve", "plan_ingest")
    row = airflow_env.finish(found[f"{days[0]}"], DAG)
    assert (row["state"], row["partition"]) == ("success", f"{days[0]}")
    assert row["model_version"], "a yes is for the whole run, its training too"
    assert [each["day"] for each in airflow_env.ledger.partition_rows(DAG, days[0], days[-1])] == [f"{days[0]}"]


def asks(airflow_env: AirflowEnv, run_id: str) -> bool:
    return airflow_env.api.tasks(DAG, run_id)["plan_ingest"]["state"] == "awaiting_input"


def price(airflow_env: AirflowEnv, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "millrace", "price-backfill", *arguments],
        env=airflow_env.airflow.environment(), capture_output=True, text=True, timeout=180,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def ended(airflow_env: AirflowEnv, week: list[date], repeat: int) -> bool:
    rows = [
        row
        for row in airflow_env.ledger.run_summary(dag_id=DAG, limit=200)
        if row["run_id"].startswith("backfill") and int(row["repeat"]) == repeat
    ]
    return (
        len(rows) == len(week)
        and all(row["state"] != "running" for row in rows)
        and not airflow_env.api.backfills_running(DAG)
    )
