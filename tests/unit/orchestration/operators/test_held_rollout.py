"""What a rollout asks of a person, and what it makes of the answer; tests/cluster has the rollout itself."""

from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from airflow.api_fastapi.execution_api.datamodels.hitl import HITLDetailRequest
from airflow.sdk.exceptions import TaskAwaitingInput

from millrace.contracts.errors import RefusedError, TransientError
from millrace.contracts.model import ModelVersion
from millrace.contracts.workload import ApprovalPolicy, Workload
from millrace.ledger.records import Actor, Decision
from millrace.orchestration import approval
from millrace.orchestration.operators import rollout as rollout_operator
from millrace.orchestration.operators.rollout import RolloutOperator
from millrace.orchestration.servers.candidate import Candidate
from millrace.runs import step_specs
from millrace.serving.rollout import PausedRollout
from millrace.serving.traffic import RolloutRevertedError

TASK = UUID(int=1)
CANDIDATE = ModelVersion(workload="flowers", version="v2", uri="s3://b/v2", manifest_sha256="a" * 64)
HELD = PausedRollout(stable="v1", steps=1, replicas=3, reason="at 10 %: nobody knows")
HALF_WAY = "the rollout did not end"
LATER = PausedRollout(stable="v1", steps=2, replicas=3, reason="at 50 %: nobody knows")


class Rollout:
    """Says what it is told to do; ``advance`` and ``go_on`` end as a test says."""

    address = "https://flowers"

    def __init__(self) -> None:
        self.told: list[Any] = []
        self.away = False
        self.ends: list[PausedRollout | None] = [HELD]

    def advance(self) -> PausedRollout | None:
        self.told.append("advance")
        return self.ends.pop(0)

    def go_on(self, held: PausedRollout) -> PausedRollout | None:
        self.told.append(("go on", held))
        return self.ends.pop(0)

    def reject(self, held: PausedRollout, reason: str) -> RolloutRevertedError:
        self.told.append(("reject", held))
        if self.away:
            raise TransientError("no API server", where="", rule="", remedy="")
        return RolloutRevertedError(reason, where="here")

    def abandon(self, reason: str) -> bool:
        self.told.append(("abandon", reason))
        return True


class Models:
    """The ledger's part in it."""

    def __init__(self) -> None:
        self.reasons: list[str] = []
        self.decisions: list[Decision] = []

    def record_decision(self, decision: Decision) -> bool:
        self.decisions.append(decision)
        return True

    def record_refusal(self, decision: Decision, error: RefusedError) -> None:
        self.decisions.append(replace(decision, outcome="refused", effect=error.what))

    def newest_verdict(self, dag_id: str, run_id: str) -> None:
        return None

    def readmit(self, workload: str, version: str, reason: str, *, by: Actor) -> None:
        if self.reasons:
            raise RefusedError(self.reasons[-1], where="", rule="", remedy="")

    def reject(self, workload: str, version: str, reason: str, *, by: Actor) -> None:
        self.reasons.append(reason)

    def live_model(self, workload: str) -> Any:
        return SimpleNamespace(model=SimpleNamespace(version="v1"), dataset=SimpleNamespace(age=(1, 1, 0)))


class Harness:
    """One task, asked for by a run."""

    def __init__(self, workload: Workload, monkeypatch: pytest.MonkeyPatch) -> None:
        self.rollout, self.models = Rollout(), Models()
        self.questions: list[Any] = []
        run = self.run = SimpleNamespace(workload=workload, dag_id="flowers", run_id="r", repeat=0)
        planned = SimpleNamespace(dataset=SimpleNamespace(age=(2, 1, 0)))
        evaluated = SimpleNamespace(candidate=SimpleNamespace(model=CANDIDATE))
        for name, value in {
            "measured": lambda _, context, work: work(run, context),
            "ledger": self.models,
            "settings": None,
        }.items():
            monkeypatch.setattr(RolloutOperator, name, value)
        monkeypatch.setattr(Candidate, "rollout", lambda _: self.rollout)
        servers = SimpleNamespace(
            begin=lambda *_: None,
            other_rollout=lambda *_: None,
            put_back=lambda run, candidate, reason, progress: self.rollout.abandon(reason),
        )
        monkeypatch.setattr(rollout_operator, "servers_of", lambda _: servers)
        monkeypatch.setattr(step_specs, "result_of", lambda *_: evaluated)
        monkeypatch.setattr(step_specs, "planned", lambda *_: planned)
        monkeypatch.setattr(approval, "upsert_hitl_detail", self._asked)
        self.task = RolloutOperator(task_id="roll_out", workload=workload)
        self.person = SimpleNamespace(dag_id="flowers", run_id="r", triggering_user_name="bob")
        self.context: Any = {"ti": SimpleNamespace(id=TASK), "dag_run": self.person}

    def _asked(self, **given: Any) -> None:
        # Airflow's own schema: what it refuses fails here, too
        self.questions.append(HITLDetailRequest(**given).model_dump())

    def two_people(self) -> None:
        self.run.workload = self.run.workload.model_copy(update={"approval": ApprovalPolicy(two_people=True)})

    def begin(self) -> Any:
        return self.task.execute(self.context)

    def answer(self, waiting: TaskAwaitingInput, option: str, **event: Any) -> Any:
        kwargs = {**(waiting.kwargs or {}), "event": {"chosen_options": [option], **event}}
        return getattr(self.task, waiting.method_name)(self.context, **kwargs)


@pytest.fixture
def harness(workload: Workload, monkeypatch: pytest.MonkeyPatch) -> Harness:
    return Harness(workload, monkeypatch)


def test_a_step_that_cannot_be_judged_waits_a_day_and_no_answer_is_a_no(harness: Harness) -> None:
    with pytest.raises(TaskAwaitingInput) as waiting:
        harness.begin()
    assert waiting.value.timeout == timedelta(hours=24)
    (request,) = harness.questions
    assert (request["ti_id"], request["defaults"]) == (TASK, ["Reject"])
    assert HELD.reason in request["body"]
    with pytest.raises(RolloutRevertedError, match=r"nobody answered within 24 h: at 10 %"):
        harness.answer(waiting.value, "Reject", timedout=True)
    assert harness.rollout.told == ["advance", ("reject", HELD), ("abandon", harness.models.reasons[0])]


def test_yes_goes_on_and_asks_again_where_it_must(harness: Harness) -> None:
    harness.rollout.ends = [HELD, LATER, None]
    with pytest.raises(TaskAwaitingInput) as first:
        harness.begin()
    with pytest.raises(TaskAwaitingInput) as second:
        harness.answer(first.value, "Approve")
    assert harness.answer(second.value, "Approve") == {"address": "https://flowers", "version": "v2"}
    assert harness.rollout.told == ["advance", ("go on", HELD), ("go on", LATER)]
    assert harness.models.reasons == []


def test_a_no_that_failed_to_be_carried_out_is_a_no_for_the_next_try(harness: Harness) -> None:
    with pytest.raises(TaskAwaitingInput) as waiting:
        harness.begin()
    harness.rollout.away = True
    with pytest.raises(TransientError):
        harness.answer(waiting.value, "Reject", responded_by_user={"id": "1", "name": "ada"})
    said = harness.models.reasons[0]
    with pytest.raises(RefusedError, match="not approved, by ada"):
        harness.begin()
    assert harness.rollout.told == ["advance", ("reject", HELD), ("abandon", HALF_WAY), ("abandon", said)]
    assert len(harness.questions) == 1


def test_answers_are_in_the_audit_and_ones_own_yes_counts_as_none(harness: Harness) -> None:
    harness.two_people()
    harness.rollout.ends = [HELD, None]
    with pytest.raises(TaskAwaitingInput) as first:
        harness.begin()
    with pytest.raises(TaskAwaitingInput) as second:
        harness.answer(first.value, "Approve", responded_by_user={"id": "1", "name": "bob"})
    assert second.value.kwargs == first.value.kwargs
    assert harness.rollout.told == ["advance"], "a step went on by it"
    harness.answer(second.value, "Approve", responded_by_user={"id": "2", "name": "ada"})
    found = [(each.action, each.outcome, each.subject, each.by.name) for each in harness.models.decisions]
    assert found == [("approve", "refused", "canary v2", "bob"), ("approve", "done", "canary v2", "ada")]
    assert harness.models.decisions[1].reason == HELD.reason
