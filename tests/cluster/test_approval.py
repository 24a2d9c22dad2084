"""A canary that cannot be judged asks a person in Airflow: a Prometheus is named, and does not answer."""

import contextlib
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import httpx
import pytest

from tests.cluster.conftest import AirflowEnv, StartAirflow

DAG, SERVICE, SERVING = "machine_asks", "machine-asks", "millrace-serving"
FIRST = date(2026, 3, 2)
SEVERAL = "several"


@pytest.fixture(scope="module")
def asking(start_airflow: StartAirflow, machine_rows: Any) -> Iterator[Any]:
    """An Airflow of its own, with one version live."""
    with start_airflow(8430, {"MILLRACE_PROMETHEUS_URL": "http://127.0.0.1:9"}) as airflow_env:
        for offset in range(4):
            day = FIRST + timedelta(days=offset)
            airflow_env.deliver(DAG, day, "\n".join(machine_rows(day, 120)) + "\n")
        row = airflow_env.finish(DAG, begin(airflow_env, 0))
        assert row["state"] == "success", row
        yield airflow_env


def begin(airflow_env: AirflowEnv, offset: int) -> str:
    day = FIRST + timedelta(days=offset)
    return str(airflow_env.trigger(DAG, partition_from=f"{day}", partition_to=f"{day}"))


def answering(airflow_env: AirflowEnv) -> str:
    """The version whose servers answer, or that several do."""
    (service,) = [each for each in airflow_env.site.objects("services", SERVING) if each["metadata"]["name"] == SERVICE]
    return str(service["spec"]["selector"].get("millrace/version", SEVERAL))


def asked(airflow_env: AirflowEnv, run_id: str) -> bool:
    return bool(airflow_env.api.tasks(DAG, run_id)["roll_out"]["state"] == "awaiting_input")


def answer(airflow_env: AirflowEnv, run_id: str, option: str) -> None:
    # the task may be at work again: Airflow 3.3 may lose an answer, see AirflowApi.decide
    with contextlib.suppress(httpx.HTTPError):
        airflow_env.api.decide(DAG, run_id, option, task_id="roll_out")


def approve_up_to(airflow_env: AirflowEnv, await_: Any, run_id: str, share: str) -> None:
    """Approve what is asked until that share is held."""

    def held() -> bool:
        assert airflow_env.api.run_state(DAG, run_id) in ("queued", "running")
        if not asked(airflow_env, run_id):
            return False
        if answering(airflow_env) == share:
            return True
        answer(airflow_env, run_id, "Approve")
        return False

    await_(held, f"a question while {share} answers", 400, 1)


def live(airflow_env: AirflowEnv) -> str:
    return str(airflow_env.ledger.live_model(DAG).model.version)


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_a_person_says_no_and_the_stable_version_answers_alone(asking: Any, await_: Any) -> None:
    stable, run_id = live(asking), begin(asking, 1)
    approve_up_to(asking, await_, run_id, SEVERAL)

    def ended() -> bool:
        if asked(asking, run_id):
            answer(asking, run_id, "Reject")
        return asking.api.run_state(DAG, run_id) == "failed"

    await_(ended, "the run's end", 200, 1)
    (row,) = asking.ledger.run_summary(dag_id=DAG, run_id=run_id)
    assert (row["state"], answering(asking), live(asking)) == ("rolled_back", stable, stable)
    assert "not approved, by admin" in row["reason"]
    assert "Prometheus does not answer" in row["reason"]
    assert [each["metadata"]["name"] for each in versions(asking)] == [f"{SERVICE}-{stable}"]


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_a_question_that_is_ended_by_hand_leaves_the_stable_version_alone(asking: Any, await_: Any) -> None:
    stable, run_id = live(asking), begin(asking, 2)
    approve_up_to(asking, await_, run_id, SEVERAL)
    asking.api.mark_task(DAG, run_id, "roll_out", "failed")
    row = asking.finish(DAG, run_id)
    assert (row["state"], answering(asking), live(asking)) == ("rolled_back", stable, stable)
    assert [each["metadata"]["name"] for each in versions(asking)] == [f"{SERVICE}-{stable}"]


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_a_person_says_yes_to_every_step_and_the_candidate_goes_live(asking: Any, await_: Any) -> None:
    stable, run_id = live(asking), begin(asking, 3)

    def ended() -> bool:
        if asked(asking, run_id):
            answer(asking, run_id, "Approve")
        return asking.api.run_state(DAG, run_id) in ("success", "failed")

    await_(ended, "the run's end", 500, 1)
    (row,) = asking.ledger.run_summary(dag_id=DAG, run_id=run_id)
    assert row["state"] == "success", row
    assert live(asking) != stable
    assert answering(asking) == live(asking)


def versions(airflow_env: AirflowEnv) -> list[dict[str, Any]]:
    """Versions with servers, or with some that are about to begin."""
    found = airflow_env.site.objects("deployments", SERVING, f"millrace/workload={DAG}")
    return [each for each in found if each["spec"]["replicas"]]
