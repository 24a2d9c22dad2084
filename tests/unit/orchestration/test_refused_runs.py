"""A run that was refused, or that Airflow ended, is in the ledger with its own reason like every other."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException, AirflowTaskTimeout

from millrace.contracts.reasons import ReasonCode
from millrace.contracts.report import Report
from millrace.contracts.workload import Workload
from millrace.ledger.ledger import Ledger
from millrace.ledger.records import RunKey
from millrace.orchestration import approval, listeners
from millrace.orchestration.operators.finish import FinishOperator
from millrace.orchestration.operators.plan_ingest import PlanIngestOperator
from millrace.orchestration.run_entry import open_run, own_parameters
from millrace.pipeline import trigger_form
from millrace.policies import steps
from millrace.settings import Settings, load_settings
from millrace.sizing.backfill import Delivery, price_backfill
from millrace.sizing.catalogue import Site

DAY = date(2026, 3, 3)


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    monkeypatch.setenv("MILLRACE_HOME", str(tmp_path))
    load_settings.cache_clear()
    load_settings().ledger().migrate()
    monkeypatch.setattr(listeners, "object_session", lambda _: None)
    yield load_settings()
    load_settings.cache_clear()


@pytest.fixture
def ledger(settings: Settings) -> Ledger:
    return settings.ledger()


class AirflowRun:
    """A DAG run, with its tasks' states and the parameters that it was given."""

    dag_id, run_id = "flowers", "manual__1"
    data_interval_start = datetime(2026, 3, 3, tzinfo=UTC)
    run_after = datetime(2026, 3, 4, tzinfo=UTC)
    run_type = SimpleNamespace(value="manual")

    def __init__(self, workload: Workload, **conf: object) -> None:
        self.workload, self.conf = workload, conf
        self.states: dict[str, str] = {}
        form = trigger_form(workload)
        params = type("Params", (), {"__iter__": lambda _: iter(form), "get_param": lambda _, name: form[name]})()
        size = SimpleNamespace(doc_json=workload.model_dump_json())
        self.dag = SimpleNamespace(
            params=params, has_task=lambda name: name == "size", get_task=lambda name: size, timetable=None
        )

    def context(self, task_id: str) -> Any:
        states = {self.run_id: self.states}
        task = SimpleNamespace(
            id=f"uid-{task_id}", task_id=task_id, try_number=1, map_index=-1, get_task_states=lambda **_: states
        )
        own = own_parameters(self.workload).model_dump(mode="json", exclude={"max_length"})
        return {"dag_run": self, "ti": task, "params": {**own, **self.conf}}

    def get_task_instances(self, session: object) -> list[Any]:
        return [SimpleNamespace(task_id=task, map_index=-1, state=state) for task, state in self.states.items()]


@pytest.mark.parametrize(
    ("conf", "said"),
    [
        (
            {"epoch": 5},
            "plan_ingest: the run's parameters are refused: there is no parameter 'epoch' (is 'epochs' meant?)",
        ),
        ({"epochs": 0}, "epochs: Input should be greater than or equal to 1"),
        (
            {"partition_from": "2026-03-09", "partition_to": "2026-03-02"},
            "the window ends (2026-03-02) before",
        ),
        ({"hardware": "9000xh900"}, "9000xh900"),
        ({"hardware": "abacus"}, "abacus"),
        ({"budget": "nobodys"}, "nobodys"),
        ({"epoch": 5, "rows": -1}, "there is no parameter 'epoch' (is 'epochs' meant?)"),
    ],
)
def test_a_refused_run_ends_with_its_own_reason(
    ledger: Ledger, workload: Workload, monkeypatch: pytest.MonkeyPatch, conf: dict[str, object], said: str
) -> None:
    monkeypatch.setattr("millrace.orchestration.operators.workload.reach_stores", lambda _: None)
    price = price_backfill(
        [Delivery(DAY, 1)], [], hardware=load_settings().hardware("auto"), site=Site(name="x"), max_active_runs=1
    )
    monkeypatch.setattr("millrace.policies.reservation.price_run", lambda *_: price)
    run = AirflowRun(workload, **conf)
    divide = PlanIngestOperator(task_id="plan_ingest", workload=workload, admit=steps.data_within_budget)
    with pytest.raises(AirflowFailException):
        divide.execute(run.context("plan_ingest"))
    run.states = {"plan_ingest": "failed", "ingest": "upstream_failed", "finish": "running"}
    with pytest.raises(AirflowFailException):
        FinishOperator(task_id="finish", workload=workload).execute(run.context("finish"))
    (row,) = ledger.run_summary()
    assert (row["state"], row["partition"]) == ("failed", "2026-03-03")
    assert said in row["reason"]
    assert ledger.settled_partitions("flowers", DAY, DAY) == {}  # the day is still to be brought
    run.states["finish"] = "failed"
    listeners.on_dag_run_failed(run, "task_failure")  # it has ended, and keeps its ending
    assert ledger.run_summary() == [row]


def test_an_end_without_close_has_the_reason_of_the_task_that_failed(
    ledger: Ledger, settings: Settings, workload: Workload
) -> None:
    run = AirflowRun(workload)
    opened = open_run(workload, run.context("plan_ingest"), settings, ledger)
    meter = {"started_at": datetime.now(UTC), "wall_seconds": 1, "cpu_seconds": 1}
    for task, outcome, reason in (("plan_ingest", "ok", "done"), ("ingest", "failed", "line 7 has 3 fields, not 4")):
        report = Report.model_validate({"outcome": outcome, "reason": reason, "meter": meter})
        ledger.commit_report(opened.key(task, 1), report, task)
    run.states = {"plan_ingest": "success", "ingest": "failed", "validate": "upstream_failed", "finish": "failed"}
    listeners.on_dag_run_failed(run, "task_failure")
    (row,) = ledger.run_summary()
    assert (row["state"], row["reason"]) == ("failed", "ingest: line 7 has 3 fields, not 4")
    assert ledger.settled_partitions("flowers", DAY, DAY) == {DAY: "failed"}


@pytest.mark.parametrize(
    ("conf", "states", "msg", "said"),
    [
        (
            {"epochs": "many"},
            {"plan_ingest": "failed", "finish": "failed"},
            "task_failure",
            "refused: epochs: Input should",
        ),
        (
            {},
            {"plan_ingest": "failed", "finish": "failed"},
            "task_failure",
            "plan_ingest: it ended before Millrace could say why",
        ),
        ({}, {"finish": "failed"}, "task_failure", "without an outcome"),
        ({}, {}, "timed_out", "took longer than its DAG lets runs take"),
        ({}, {}, "all_tasks_deadlocked", "no task of the run could begin any more"),
        ({}, {}, "Dag Run's state was manually set to `failed`.", "manually set to `failed`"),
        ({}, {}, "", "marked failed in Airflow"),
    ],
)
def test_a_run_that_no_task_entered_is_entered_by_its_end(
    ledger: Ledger, workload: Workload, conf: dict[str, object], states: dict[str, str], msg: str, said: str
) -> None:
    run = AirflowRun(workload, **conf)
    run.states = states
    listeners.on_dag_run_failed(run, msg)
    (row,) = ledger.run_summary()
    assert (row["run_id"], row["state"], row["partition"]) == ("manual__1", "failed", "2026-03-03")
    assert said in row["reason"]


@pytest.mark.parametrize(
    ("msg", "code", "said"),
    [
        ("timed_out", "timed_out", "longer than its DAG lets runs take"),
        ("all_tasks_deadlocked", "deadlocked", "which one waits for what"),
        (ReasonCode.BACKFILL_CANCELLED, "backfill_cancelled", "its backfill was cancelled in Airflow"),
        ("a person's words", "marked", "a person's words"),
        ("", "marked", "marked failed in Airflow"),
    ],
)
def test_an_end_that_airflow_tells_has_a_code(
    ledger: Ledger, workload: Workload, msg: str, code: str, said: str
) -> None:
    listeners.on_dag_run_failed(AirflowRun(workload), msg)
    (row,) = ledger.run_summary()
    assert (row["state"], row["reason_code"]) == ("failed", code)
    assert said in row["reason"]


@pytest.mark.parametrize(
    ("event", "code"),
    [
        ({"timedout": True, "chosen_options": ["Reject"]}, "approval_expired"),
        ({"chosen_options": ["Reject"], "responded_by_user": {"name": "nobody"}}, "approval_rejected"),
    ],
)
def test_a_no_and_no_answer_are_told_apart_by_their_code(
    ledger: Ledger, settings: Settings, workload: Workload, monkeypatch: pytest.MonkeyPatch, event: Any, code: str
) -> None:
    monkeypatch.setattr("millrace.orchestration.operators.workload.reach_stores", lambda _: None)
    run = AirflowRun(workload)
    opened = open_run(workload, run.context("plan_ingest"), settings, ledger)
    asked = RunKey(opened.dag_id, opened.run_id, opened.repeat)
    ledger.record_decision(approval.decision(asked, approval.GATE, event, "f1 is close"))
    run.states = {"gate": "success", "approve": "success", "roll_out": "skipped", "watch": "skipped"}
    FinishOperator(task_id="finish", workload=workload).execute(run.context("finish"))
    (row,) = ledger.run_summary()
    assert (row["state"], row["reason_code"]) == ("rejected", code)


def test_a_dag_that_is_no_workload_is_not_ours(ledger: Ledger, workload: Workload) -> None:
    run = AirflowRun(workload)
    run.dag.has_task = lambda name: False
    listeners.on_dag_run_failed(run, "task_failure")
    assert ledger.run_summary() == []


def test_what_nobody_foresaw_and_what_took_too_long_have_words(
    ledger: Ledger, workload: Workload, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("millrace.orchestration.operators.workload.reach_stores", lambda _: None)
    run = AirflowRun(workload)
    for error, said in (
        (KeyError("a row's own value"), "an error that was not foreseen: KeyError"),
        (AirflowTaskTimeout("timeout"), "it took longer than 0:15:00"),
    ):
        divide = PlanIngestOperator(task_id="plan_ingest", workload=workload, execution_timeout=timedelta(minutes=15))

        def fail(run: object, context: object, error: BaseException = error) -> None:
            raise error

        monkeypatch.setattr(divide, "work", fail)
        context = run.context("plan_ingest")
        context["ti"].id = said
        with pytest.raises(type(error)):
            divide.execute(context)
        reason = ledger.try_reasons("flowers", "manual__1", 0)["plan_ingest"].text
        assert said in reason
        assert "own value" not in reason
