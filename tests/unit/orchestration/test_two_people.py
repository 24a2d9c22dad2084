"""Where a workload wants two people, a yes of whoever triggered the run counts as none, and is in the audit."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from airflow.providers.standard.operators import hitl
from airflow.sdk.exceptions import TaskAwaitingInput

from millrace import settings
from millrace.contracts.errors import BadInputError, RefusedError
from millrace.contracts.serving import Verdict
from millrace.contracts.workload import ApprovalPolicy, Workload
from millrace.contracts.workload_rules import require_sound
from millrace.ledger.ledger import Ledger
from millrace.orchestration import approval
from millrace.orchestration.approval import GATE
from millrace.orchestration.operators.approve import ApproveOperator
from millrace.orchestration.servers.candidate import Candidate

ADA, BOB = ({"id": "1", "name": "ada"}, {"id": "2", "name": "bob"})
DAY = date(2026, 3, 2)


class Gate:
    """The task `approve` of a run that ada triggered."""

    def __init__(self, workload: Workload, home: Path) -> None:
        self.ledger = Ledger(f"sqlite:///{home / 'ledger.db'}")
        self.ledger.migrate()
        self.workload = workload
        self.ledger.open_run(
            "flowers", "r", workload="flowers", team="t", site="local", partition_first=DAY, partition_last=DAY,
            run_type="manual", triggered_by="ada",
        )  # fmt: skip
        self.run = SimpleNamespace(workload=workload, dag_id="flowers", run_id="r", repeat=0)
        self.asked = 0
        self.answers = 0
        self.task = ApproveOperator(
            task_id="approve",
            workload=workload,
            subject="s",
            defaults="Reject",
            response_timeout=approval.APPROVAL_TIMEOUT,
        )
        self.context: Any = {
            "dag_run": SimpleNamespace(dag_id="flowers", run_id="r", triggering_user_name="ada"),
            "ti": SimpleNamespace(id=UUID(int=1), xcom_pull=lambda **_: "- too few rows"),
            "task_instance": SimpleNamespace(id=UUID(int=1)),
            "task": self.task,
        }

    def answer(self, option: str, by: dict[str, str] | None) -> Any:
        self.answers += 1
        event = {
            "chosen_options": [option], "params_input": {}, "responded_by_user": by, "timedout": by is None,
            "responded_at": datetime(2026, 3, 2, 12, self.answers, tzinfo=UTC),
        }  # fmt: skip
        return self.task.execute_complete(self.context, event)

    def told(self) -> list[tuple[str, str, str, str]]:
        rows = [row for row in reversed(self.ledger.audit()) if row["action"] != "trigger"]
        return [(row["action"], row["outcome"], row["subject"], row["actor"]) for row in rows]


@pytest.fixture
def gate(
    request: pytest.FixtureRequest, workload: Workload, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Gate]:
    monkeypatch.setenv("MILLRACE_HOME", str(tmp_path))
    settings.load_settings.cache_clear()
    policy = ApprovalPolicy(two_people=getattr(request, "param", True))
    made = Gate(workload.model_copy(update={"approval": policy}), tmp_path)

    def upsert(**given: Any) -> None:
        made.asked += 1

    monkeypatch.setattr(hitl, "upsert_hitl_detail", upsert)
    yield made
    settings.load_settings.cache_clear()


def test_ones_own_yes_is_refused_and_the_question_asked_again_until_somebody_else_answers(gate: Gate) -> None:
    with pytest.raises(TaskAwaitingInput) as again:
        gate.answer("Approve", ADA)
    assert again.value.timeout == approval.APPROVAL_TIMEOUT
    assert gate.asked == 1
    assert gate.answer("Approve", BOB)["chosen_options"] == ["Approve"]
    assert gate.told() == [("approve", "refused", GATE, "ada"), ("approve", "done", GATE, "bob")]
    bobs, adas = gate.ledger.audit()[:2]
    assert "ada triggered the run, and may not" in adas["effect"]
    assert (bobs["reason"], bobs["run_id"], bobs["decided_at"][:16]) == ("- too few rows", "r", "2026-03-02T12:02")


def test_an_answer_that_the_task_is_given_twice_is_told_once(gate: Gate) -> None:
    gate.answer("Approve", BOB)
    gate.answers -= 1
    gate.answer("Approve", BOB)
    assert len(gate.told()) == 1


def test_ones_own_no_and_nobodys_answer_end_it(gate: Gate) -> None:
    gate.answer("Reject", ADA)
    gate.answer("Reject", None)
    assert gate.told() == [("reject", "done", GATE, "ada"), ("reject", "done", GATE, "nobody")]
    assert gate.ledger.audit()[0]["effect"] == "nobody answered within 24 h"


@pytest.mark.parametrize("gate", [False], indirect=True)
def test_without_the_policy_one_person_is_enough(gate: Gate) -> None:
    gate.answer("Approve", ADA)
    assert gate.told() == [("approve", "done", GATE, "ada")]


def test_what_was_marked_by_hand_is_no_approval(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    model: Any = SimpleNamespace(workload="flowers", version="v1")
    run: Any = gate.run
    servers: Any = None
    candidate = Candidate(run, model, gate.ledger, servers, print)
    past_the_question = pytest.raises(BadInputError, match="plan")  # what the rollout asks for next

    def no_plan(*_: Any) -> None:
        raise BadInputError("the run has no plan", where="", rule="", remedy="")

    monkeypatch.setattr("millrace.orchestration.servers.candidate.step_specs.planned", no_plan)
    gate.ledger.record_verdict("flowers", "r", 0, Verdict(outcome="inconclusive", reasons=("too few rows",)))
    with pytest.raises(RefusedError, match="nobody has approved this candidate"):
        candidate.admit()
    with pytest.raises(TaskAwaitingInput):
        gate.answer("Approve", ADA)
    with pytest.raises(RefusedError, match="nobody has approved this candidate"):
        candidate.admit()
    gate.answer("Approve", BOB)
    with past_the_question:
        candidate.admit()


def test_a_mistake_in_the_policy_is_told_where_the_workload_is_declared(workload: Workload) -> None:
    with pytest.raises(ValueError, match="two_people"):
        ApprovalPolicy(two_person=True)  # type: ignore[call-arg]
    require_sound(workload.model_copy(update={"approval": ApprovalPolicy(two_people=True)}))
