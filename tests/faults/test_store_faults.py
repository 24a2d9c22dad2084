"""A store that misbehaves: F12 and F13 of the catalogue of faults, with a proxy before the real S3."""

import os
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from matrix import outcome
from matrix.airflow_env import DAYS, AirflowEnv
from matrix.catalogue import by_name
from matrix.proxy import Fault, Proxy, proxied
from matrix.task import OK, RETRY

from millrace.contracts.store import StoreTraits

pytestmark = pytest.mark.timeout(600)
# the clients' own attempts, each with its back-off: botocore four, delta-rs and pyarrow some more
BUDGET_SECONDS = 240


@pytest.fixture
def proxy(airflow_on_s3: AirflowEnv) -> Iterator[Proxy]:
    """The Airflow environment's store is reached through this one."""
    with proxied(os.environ["AWS_ENDPOINT_URL"]) as proxy:
        airflow_on_s3.environment["AWS_ENDPOINT_URL"] = proxy.url
        yield proxy


@pytest.mark.parametrize("fault", ["503", "reset", "short", "slow", "closed"])
@pytest.mark.parametrize("task", ["ingest", "validate"])
def test_f12_a_store_that_fails_for_a_moment_costs_time_and_nothing_else(
    airflow_on_s3: AirflowEnv, proxy: Proxy, fault: Fault, task: str
) -> None:
    if task == "validate":
        airflow_on_s3.expect("ingest")
    proxy.fault, proxy.left = fault, 3
    code = airflow_on_s3.run(task)
    assert proxy.spoiled >= 3, "the fault was not met"
    if code != OK:
        assert code == RETRY, airflow_on_s3.said()
        outcome.check_readers(airflow_on_s3)
        proxy.fault = ""
        assert airflow_on_s3.retry(task) == OK, airflow_on_s3.said()
    proxy.fault = ""
    if task == "ingest":
        airflow_on_s3.expect("validate")
    seen = outcome.table(airflow_on_s3)
    assert seen is not None
    assert {day: rows[0] for day, rows in seen["partitions"].items()} == {str(day): 150 for day in DAYS}
    assert seen["version"] == len(DAYS), "a partition was published twice"
    outcome.check_readers(airflow_on_s3)


@pytest.mark.parametrize("fault", ["503", "reset", "closed"])
def test_f12_a_store_that_stays_away_ends_the_try_in_time_to_be_retried_and_nothing_is_published(
    airflow_on_s3: AirflowEnv, proxy: Proxy, fault: Fault
) -> None:
    airflow_on_s3.expect("ingest")
    named = outcome.ledger_tables(airflow_on_s3)
    trying = airflow_on_s3.start("validate")
    away = threading.Timer(0.3, setattr, (proxy, "fault", fault))
    away.start()
    began = time.monotonic()
    code = trying.wait(BUDGET_SECONDS)
    assert code == RETRY, airflow_on_s3.said()
    assert time.monotonic() - began < BUDGET_SECONDS
    assert outcome.ledger_tables(airflow_on_s3)["dataset_versions"] == named["dataset_versions"]
    outcome.check_readers(airflow_on_s3)
    proxy.fault = ""
    assert airflow_on_s3.retry("validate") == OK, airflow_on_s3.said()
    seen = outcome.table(airflow_on_s3)
    assert seen is not None
    assert seen["version"] == len(DAYS)


def test_f13_where_no_write_is_exclusive_the_ledger_lets_one_run_commit_and_a_killed_one_hands_on(
    airflow_env: AirflowEnv,
) -> None:
    traits = StoreTraits(
        uri=airflow_env.store, probed_at=datetime.now(UTC), means="none", keeps_what_is_there=False, one_wins=False,
        lists_at_once=True,
    )  # fmt: skip
    assert not traits.exclusive
    airflow_env.ledger.record_store(traits)
    runs: list[dict[str, Any]] = [{"FAULT_RUN_ID": f"manual__{number}"} for number in range(3)]
    for run in runs:
        airflow_env.expect("ingest", **run)
    point = by_name("validate: one partition of two committed")
    airflow_env.run("validate", 1, point=point, **runs[0])
    assert airflow_env.reached.exists()
    waiting = [airflow_env.start("validate", 1, **run) for run in runs[1:]]
    time.sleep(1)
    assert [each.poll() for each in waiting] == [None, None], "they commit beside a run that was killed in its commit"
    assert airflow_env.retry("validate", **runs[0]) == OK, airflow_env.said()
    assert [each.wait(120) for each in waiting] == [OK, OK], airflow_env.said()
    seen = outcome.table(airflow_env)
    assert seen is not None
    assert seen["version"] == len(DAYS)
    assert len(outcome.ledger_tables(airflow_env)["partitions"]) == len(DAYS)
