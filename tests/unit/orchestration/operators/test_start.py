"""A run that waits for its hours, and a training that waits for the site's watts: neither of them holds a worker."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException, TaskAwaitingInput, TaskDeferred

from millrace import settings
from millrace.contracts.data import DatasetVersion, Profile
from millrace.contracts.measurement import MeterReading
from millrace.contracts.report import Report
from millrace.contracts.run_spec import TryKey
from millrace.contracts.workload import StartPolicy, Workload
from millrace.ledger.ledger import Ledger
from millrace.ledger.records import Budget, PowerClaim
from millrace.orchestration import approval
from millrace.orchestration.admission import admission
from millrace.orchestration.operators.size import SizeOperator
from millrace.orchestration.operators.workload import WorkloadOperator
from millrace.orchestration.run_entry import open_run
from millrace.orchestration.sensors.start import StartSensor
from millrace.policies import power_cap, steps
from millrace.policies.ruling import Allow
from millrace.runs import step_specs
from millrace.runs.outcome import run_outcome
from millrace.sizing.catalogue import CATALOGUE

DAY = datetime(2026, 3, 2, tzinfo=UTC)
PROFILE = Profile(
    rows=1000, bytes=10**6, rows_by_split={"train": 800, "test": 100, "validation": 100}, label_counts={"rose": 1000}
)


class Site:
    """Three tasks of runs at a site, size, await_start and train; what was trained, and what a person was asked."""

    def __init__(self, workload: Workload, home: Path) -> None:
        self.ledger = Ledger(f"sqlite:///{home / 'ledger.db'}")
        self.ledger.migrate()
        self.trained: list[str] = []
        self.catalogue = home / "site.yaml"
        self.now = datetime.now(UTC)
        trained = self.trained

        class Train(WorkloadOperator):
            def work(self, run: Any, context: Any) -> str:
                trained.append(run.run_id)
                return "done"

        timed = workload.model_copy(update={"timing": StartPolicy(prefer="carbon", within_hours=12)})
        self.size = SizeOperator(task_id="size", workload=timed)
        self.size_at_once = SizeOperator(task_id="size", workload=workload)
        self.start = StartSensor(task_id="await_start", admit=steps.may_train, workload=timed)
        self.train = Train(task_id="train", admit=steps.may_begin_training, workload=timed)

    def has(self, **entry: Any) -> None:
        """Write the site's entry of the catalogue: without another word it is dirty but for the third hour from now."""
        clean = (self.now.hour + 3) % 24
        rates = [20 if hour == clean else 500 for hour in range(24)]
        given = {"pue": 1.5, "gco2e_per_kwh": rates, **entry}
        self.catalogue.write_text(CATALOGUE.read_text().replace("  local: {}", f"  local: {given}"))

    def context(self, run_id: str = "r", **params: Any) -> Any:
        run = {"dag_id": "flowers", "run_id": run_id, "run_type": SimpleNamespace(value="manual")}
        given = {"epochs": 1, "batch_size": 8, "learning_rate": 0.1, **params}
        return {
            "dag_run": SimpleNamespace(**run, data_interval_start=DAY, run_after=DAY),
            "params": given,
            "ti": SimpleNamespace(id=UUID(int=1), try_number=1, map_index=-1),
        }

    def watts(self, run_id: str = "r") -> float:
        plan = self.ledger.plan("flowers", run_id)
        assert plan is not None
        assert plan.train_watts is not None
        return plan.train_watts.p90

    def end_training(self, run_id: str) -> None:
        key = TryKey(dag_id="flowers", run_id=run_id, repeat=0, task_id="train", try_number=2)
        meter = MeterReading(started_at=datetime.now(UTC), wall_seconds=1, cpu_seconds=1)
        self.ledger.commit_report(key, Report(outcome="ok", reason="done", meter=meter), "p")


@pytest.fixture
def site(workload: Workload, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    made = Site(workload, tmp_path)
    made.has()
    monkeypatch.setenv("MILLRACE_HOME", str(tmp_path))
    monkeypatch.setenv("MILLRACE_CATALOGUE", str(made.catalogue))
    settings.load_settings.cache_clear()
    dataset = DatasetVersion(workload="flowers", uri="file:///d", version=3, until=date(2026, 3, 1))
    monkeypatch.setattr(Ledger, "latest_dataset", lambda self, workload, until, generation=1: dataset)
    monkeypatch.setattr(Ledger, "profile", lambda self, workload, **_: PROFILE)
    monkeypatch.setattr(approval, "upsert_hitl_detail", lambda **given: None)
    yield made
    settings.load_settings.cache_clear()


def moment(waiting: TaskDeferred) -> datetime:
    path, given = waiting.trigger.serialize()
    assert path == "airflow.providers.standard.triggers.temporal.DateTimeTrigger"
    assert set(given) == {"moment", "end_from_trigger"}, "the trigger holds more than a time"
    return datetime.fromisoformat(given["moment"].isoformat())


def test_a_run_waits_in_the_triggerer_for_its_hour_and_then_trains(site: Site) -> None:
    site.size.execute(site.context())
    with pytest.raises(TaskDeferred) as waiting:
        site.start.execute(site.context())
    clean = (site.now + timedelta(hours=3)).replace(minute=0, second=0, microsecond=0)
    assert moment(waiting.value) == clean
    plan = site.ledger.plan("flowers", "r")
    assert plan is not None
    assert plan.start is not None
    assert plan.start.at == clean
    assert site.ledger.run_summary("flowers")[0]["predicted_gco2e"] == plan.gco2e.p50 if plan.gco2e else None
    assert getattr(site.start, waiting.value.method_name)(site.context(), event=clean) == "waited for its hours"
    assert site.train.execute(site.context()) == "done"


@pytest.mark.parametrize("operator", ["size", "size_at_once"])
def test_who_wants_to_begin_now_and_who_has_no_policy_waits_for_nothing(site: Site, operator: str) -> None:
    getattr(site, operator).execute(site.context(start="now" if operator == "size" else "policy"))
    assert site.start.execute(site.context()) == "nothing to wait for"


def test_a_start_that_is_past_is_not_waited_for(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.has(gco2e_per_kwh=300)
    site.size.execute(site.context())
    assert site.start.execute(site.context()) == "begins at once: no later start saves 2 % of the gCO2e"


def test_a_forecast_file_is_gone_by_and_one_that_is_torn_is_not(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = site.now.replace(minute=0, second=0, microsecond=0)
    rows = [f"{(first + timedelta(hours=hour)).isoformat()},{5 if hour == 5 else 300}" for hour in range(16)]
    file = tmp_path / "forecast.csv"
    file.write_text("\n".join(("hour,gco2e_per_kwh", *rows)))
    monkeypatch.setenv("MILLRACE_FORECAST_URI", str(file))
    settings.load_settings.cache_clear()
    for run_id, hours, rates in (
        ("whole", 5, "the forecast"),
        ("torn", 3, "row 0, gco2e_per_kwh"),
        ("gone", 3, "FileNotFoundError"),
    ):
        site.size.execute(site.context(run_id))
        plan = site.ledger.plan("flowers", run_id)
        assert plan is not None
        assert plan.start is not None
        assert plan.start.at == first + timedelta(hours=hours)
        assert rates in plan.start.rates
        if run_id == "whole":
            file.write_text(file.read_text().replace(",300", ",soon", 1))
        else:
            file.unlink(missing_ok=True)


def deliver(home: Path) -> None:
    arrivals = home / "arrivals" / "flowers"
    arrivals.mkdir(parents=True)
    (arrivals / f"{DAY.date()}.csv").write_text("id,width,kind\n1,2,rose\n")


def test_a_dry_run_waits_for_nothing_and_ends_as_one(site: Site) -> None:
    site.size.execute(site.context(dry_run=True))
    with pytest.raises(AirflowSkipException, match="dry run"):
        site.start.execute(site.context(dry_run=True))
    reasons = site.ledger.try_reasons("flowers", "r", 0)
    assert run_outcome({"await_start": "skipped", "train": "skipped"}, reasons).state == "dry_run"


def test_a_budget_is_asked_for_before_the_night(site: Site, tmp_path: Path) -> None:
    deliver(tmp_path)
    site.ledger.record_budget(Budget("b", "flowers", 1e-9, "kWh", 0, 1 / 3.6e6, 0))
    site.size.execute(site.context(budget="b"))
    with pytest.raises(TaskAwaitingInput) as asking:
        site.start.execute(site.context(budget="b"))
    answer = {**(asking.value.kwargs or {}), "event": {"chosen_options": ["Approve"]}}
    with pytest.raises(TaskDeferred):
        getattr(site.start, asking.value.method_name)(site.context(budget="b"), **answer)
    assert site.train.execute(site.context(budget="b")) == "done", "it asked a second time"
    answer["event"] = {"chosen_options": ["Reject"]}
    with pytest.raises(AirflowSkipException):
        getattr(site.start, asking.value.method_name)(site.context(budget="b"), **answer)
    reasons = site.ledger.try_reasons("flowers", "r", 0)
    assert run_outcome({"await_start": "skipped", "train": "skipped"}, reasons).state == "rejected"


def test_a_teams_budget_is_asked_for_with_the_whole_runs_price(site: Site, tmp_path: Path) -> None:
    deliver(tmp_path)
    site.size.execute(site.context(start="now"))
    plan = site.ledger.plan("flowers", "r")
    assert plan is not None
    for share, asks in ((0.9, True), (1.1, False)):
        budget = {"kwh": share * plan.joules.p50 / 3.6e6}
        site.has()
        site.catalogue.write_text(site.catalogue.read_text().replace("teams: {}", f"teams: {{tests: {budget}}}"))
        if asks:
            with pytest.raises(TaskAwaitingInput):
                site.train.execute(site.context(start="now"))
        else:
            assert site.train.execute(site.context(start="now")) == "done"


def another_trains(site: Site, share: float) -> None:
    """The runs "r" and "other" are sized, the other one trains, and the cap holds so many of their kind."""
    for run_id in ("other", "r"):
        site.size.execute(site.context(run_id, start="now"))
    watts = site.watts()
    site.has(power_cap_watts=share * watts)
    claim = PowerClaim("local", watts, share * watts, timedelta(hours=1))
    assert site.ledger.reserve("flowers", "other", 0, [claim])[0].held


def test_a_training_waits_for_the_sites_watts_and_looks_each_minute(site: Site) -> None:
    another_trains(site, 1.9)
    with pytest.raises(TaskDeferred) as waiting:
        site.train.execute(site.context())
    assert timedelta(seconds=50) < moment(waiting.value) - datetime.now(UTC) <= timedelta(minutes=1)
    again = getattr(site.train, waiting.value.method_name)
    with pytest.raises(TaskDeferred):
        again(site.context(), event=None)
    site.end_training("other")
    assert again(site.context(), event=None) == "done"
    assert site.trained == ["r"]


@pytest.mark.parametrize("entry", [{"power_cap_watts": 10**6}, {}])
def test_where_there_is_room_or_no_cap_nobody_waits(site: Site, entry: dict[str, float]) -> None:
    another_trains(site, 1.9)
    site.has(**entry)
    assert site.train.execute(site.context()) == "done"


def test_a_training_that_alone_breaks_the_cap_is_refused_before_it_waits(site: Site) -> None:
    site.size.execute(site.context())
    site.has(power_cap_watts=0.9 * site.watts())
    with pytest.raises(AirflowFailException, match=r"draws .* W, and the site may draw(?s:.*)remedy"):
        site.start.execute(site.context())
    assert "draws" in site.ledger.try_reasons("flowers", "r", 0)["await_start"].text
    with pytest.raises(AirflowFailException, match="may draw"):
        site.train.execute(site.context())


@pytest.mark.parametrize(("waits", "start"), [(24, "now"), (12, "policy")])
def test_a_training_that_got_no_watts_in_time_is_refused(
    site: Site, monkeypatch: pytest.MonkeyPatch, waits: int, start: str
) -> None:
    another_trains(site, 1.9)
    site.size.execute(site.context(start=start))
    ahead = timedelta()

    class Clock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
            return datetime.now(tz) + ahead

    monkeypatch.setattr(power_cap, "datetime", Clock)
    for later in (timedelta(), timedelta(hours=waits, minutes=-1)):
        ahead = later
        with pytest.raises(TaskDeferred):
            site.train.execute(site.context(start=start))
    ahead = timedelta(hours=waits)
    with pytest.raises(AirflowFailException, match=r"no watts for the training: .* are taken(?s:.*)remedy"):
        site.train.execute(site.context(start=start))
    assert site.trained == []


def test_the_admission_of_a_training_issues_few_statements(site: Site, tmp_path: Path) -> None:
    """A backfill's newest run, with a backfill's budget, a team's budget and a power cap in force: 8 with their BEGINs.

    Before the policies shared one reservation there were 24: 17 statements in 7 transactions. Now 5 in 3.
    """
    deliver(tmp_path)
    site.ledger.record_budget(Budget("b", "flowers", 1, "kWh", 0, 1 / 3.6e6, 0))
    context = site.context(budget="b", start="now")
    context["dag_run"].run_type = SimpleNamespace(value="backfill")
    context["ti"].get_dr_count = lambda **_: 0
    site.size.execute(context)
    site.has(power_cap_watts=2 * site.watts())
    site.catalogue.write_text(site.catalogue.read_text().replace("teams: {}", "teams: {tests: {kwh: 1}}"))
    run = open_run(site.train.workload, context, site.train.settings, site.ledger)
    asked = admission(run, site.train.ledger, site.train.settings, context)
    seen: list[str] = []

    def count(connection: object, cursor: object, statement: str, *_: object) -> None:
        seen.append(statement)

    sa.event.listen(sa.Engine, "before_cursor_execute", count)
    try:
        assert isinstance(steps.may_begin_training(asked), Allow)
        issued = len(seen)
        step_specs.planned(run, site.ledger)
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", count)
    assert issued == 8 <= 24 / 3
    assert sum(not each.startswith("BEGIN") for each in seen) == 5 <= 17 / 3
    assert len(seen) == issued, "the plan was read again"
