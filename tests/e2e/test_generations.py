"""Verdicts and generations in a real Airflow: what was turned down is judged again, a changed column finds a way."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import pytest

from millrace.contracts.serving import ServingStatus
from millrace.ledger.records import Actor
from tests.e2e.conftest import AirflowEnv

DAG = "machine_generations"
ADA = Actor("Ada in Airflow's UI")


@pytest.fixture(scope="module")
def declare(airflow_env: AirflowEnv) -> Any:
    """Change what the DAG's file declares; a run that begins after that has it."""

    def declare(**changes: object) -> None:
        (Path(airflow_env.airflow.dags) / "machine_generations.json").write_text(json.dumps(changes))

    return declare


@pytest.fixture(scope="module")
def days(airflow_env: AirflowEnv, week: list[date]) -> list[date]:
    for day in week[:2]:
        airflow_env.deliver(day, DAG, rows=400)  # enough rows for a verdict from one day alone
    return week[:2]


def served(airflow_env: AirflowEnv) -> str:
    status = ServingStatus.model_validate_json((airflow_env.store / f"serving/{DAG}/status.json").read_bytes())
    tensors = [
        {"name": name, "shape": [1], "datatype": "FP64", "data": [1.0]} for name in ("temperature", "vibration", "load")
    ]
    answer = httpx.post(f"{status.address}/v2/models/{DAG}/infer", json={"inputs": tensors}, timeout=20)
    return str(answer.raise_for_status().json()["model_version"])


def run_over(airflow_env: AirflowEnv, days: list[date], **conf: object) -> dict[str, Any]:
    run_id = airflow_env.run(DAG, partition_from=f"{days[0]}", partition_to=f"{days[-1]}", **conf)
    row: dict[str, Any] = airflow_env.finish(run_id, DAG)
    return row


def clear(airflow_env: AirflowEnv, run_id: str, task: str) -> None:
    asked = {
        "dry_run": False,
        "dag_run_id": run_id,
        "task_ids": [task],
        "include_downstream": True,
        "only_failed": False,
    }
    client = httpx.Client(base_url=airflow_env.airflow.url, headers=airflow_env.api.headers, timeout=60)
    client.post(f"/api/v2/dags/{DAG}/clearTaskInstances", json=asked).raise_for_status()


def test_refused_parameters_are_in_the_ledger_with_their_reason(airflow_env: AirflowEnv, days: list[date]) -> None:
    for conf, said in (
        ({"epoch": 5}, "there is no parameter 'epoch' (is 'epochs' meant?)"),
        ({"partition_from": f"{days[1]}", "partition_to": f"{days[0]}"}, "before it begins"),
        ({"hardware": "abacus"}, "abacus"),
        # asked for where there is something to spend
        ({"budget": "nobodys", "partition_from": f"{days[0]}", "partition_to": f"{days[0]}"}, "nobodys"),
    ):
        row = airflow_env.finish(airflow_env.run(DAG, **conf), DAG)
        assert row["state"] == "failed"
        assert said in row["reason"], row["reason"]


def test_a_lowered_floor_and_a_cleared_gate_bring_the_same_version_live(
    airflow_env: AirflowEnv, declare: Any, days: list[date]
) -> None:
    declare(floor=1.0)
    row = run_over(airflow_env, days)
    assert (row["state"], row["decision"]) == ("rejected", "fail"), row
    version = row["model_version"]
    assert airflow_env.ledger.model(DAG, version).state == "rejected"
    declare()
    clear(airflow_env, row["run_id"], "gate")
    airflow_env.wait(lambda: airflow_env.summary(row["run_id"], DAG)["repeat"] == 1, "the repeat")
    again = airflow_env.finish(row["run_id"], DAG)
    assert (again["state"], again["decision"], again["repeat"]) == ("success", "pass", 1), again
    assert airflow_env.ledger.live_model(DAG).model.version == version == served(airflow_env)
    events = [each["event"] for each in airflow_env.ledger.model_events(DAG) if each["version"] == version]
    assert events == ["registered", "rejected", "readmitted", "promoted"]
    # and a new run that trains them again
    row = run_over(airflow_env, days)
    assert (row["state"], row["model_version"]) == ("success", version), row


def test_what_a_person_took_back_is_not_brought_back_by_a_run(airflow_env: AirflowEnv, days: list[date]) -> None:
    """The same data and seed are the same version."""
    version = airflow_env.ledger.live_model(DAG).model.version
    airflow_env.ledger.revert(DAG, version, "it insults people", by=ADA)
    row = run_over(airflow_env, days)
    assert row["model_version"] == version
    assert row["state"] == "rejected", row
    assert "was rolled back by Ada in Airflow's UI" in row["reason"]
    assert airflow_env.ledger.live_model(DAG) is None
    airflow_env.ledger.readmit(DAG, version, "it was another service", by=ADA)
    row = run_over(airflow_env, days)
    assert row["state"] == "success", row
    assert airflow_env.ledger.live_model(DAG).model.version == version == served(airflow_env)


def test_a_changed_column_is_refused_and_a_new_generation_takes_over(
    airflow_env: AirflowEnv, declare: Any, days: list[date]
) -> None:
    old = airflow_env.ledger.live_model(DAG)
    declare(load="float32")
    airflow_env.deliver(days[1], DAG, rows=450)  # a day that is to be published again
    row = run_over(airflow_env, days)
    assert row["state"] == "failed", row
    assert "load" in row["reason"] or "schema" in row["reason"] or "column" in row["reason"], row["reason"]
    assert served(airflow_env) == old.model.version

    declare(load="float32", generation=2)
    first = run_over(airflow_env, days[:1])  # an older newest day: published, and the old version goes on
    assert (first["state"], served(airflow_env)) == ("superseded", old.model.version), first
    row = run_over(airflow_env, days)
    assert row["state"] == "success", row
    new = airflow_env.ledger.live_model(DAG)
    assert (new.dataset.generation, new.dataset.until) == (2, days[1])
    assert new.model.version == row["model_version"] == served(airflow_env) != old.model.version
    assert airflow_env.ledger.settled_partitions(DAG, days[0], days[1]) == dict.fromkeys(days, "committed")
    assert airflow_env.ledger.settled_partitions(DAG, days[0], days[1], 2) == dict.fromkeys(days, "committed")
    assert {Path(row["uri"]).parts[-3:] for row in airflow_env.ledger.newest_versions() if row["workload"] == DAG} == {
        ("store", "datasets", DAG),
        ("dataset-generations", DAG, "2"),
    }
