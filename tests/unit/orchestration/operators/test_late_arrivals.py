"""A scheduled run that waits for its file, and days that are taken up when their file comes or changes later."""

import os
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from airflow.sdk.exceptions import AirflowRuntimeError, AirflowSkipException, ErrorType, TaskDeferred
from airflow.sdk.execution_time.comms import ErrorResponse

from millrace import settings
from millrace.contracts.data import Marker, StagedPartition
from millrace.contracts.errors import BadInputError, TransientError
from millrace.contracts.measurement import MeterReading
from millrace.contracts.report import ErrorDetail, IngestResult, Report, Result, ValidateResult
from millrace.contracts.run_spec import TryKey
from millrace.contracts.workload import Workload
from millrace.ledger.ledger import Ledger
from millrace.orchestration.operators import plan_ingest
from millrace.orchestration.operators.late_arrivals import LateArrivalsOperator
from millrace.orchestration.operators.plan_ingest import PlanIngestOperator, next_look
from millrace.orchestration.run_entry import open_run
from millrace.runs import late_days
from millrace.runs.outcome import by_task, run_outcome
from millrace.storage.identity import identity

NOW = datetime.now(UTC)
TODAY = NOW.date()
OLD_SECONDS = 3600


class Harness:
    """A ledger, arrivals, and runs of a workload as Airflow's tasks see them."""

    def __init__(self, workload: Workload, home: Path) -> None:
        self.ledger = Ledger(f"sqlite:///{home / 'ledger.db'}")
        self.ledger.migrate()
        self.arrivals = home / "arrivals" / "flowers"
        self.arrivals.mkdir(parents=True)
        self.workload = workload
        self.paused: set[str] = set()
        self.triggered: set[str] = set()
        self.known = {workload.name}

    def patient(self, **source: Any) -> Workload:
        dataset = self.workload.dataset
        changed = dataset.source.model_copy(update=source)
        return self.workload.model_copy(update={"dataset": dataset.model_copy(update={"source": changed})})

    def file(self, day: date, text: str = "a\n", age_seconds: float = OLD_SECONDS) -> Path:
        path = self.arrivals / f"{day}.csv"
        path.write_text(text)
        then = path.stat().st_mtime - age_seconds
        os.utime(path, (then, then))
        return path

    def context(self, day: date, run_type: str = "scheduled", run_id: str = "", days: int = 1, **run: Any) -> Any:
        begin = datetime(day.year, day.month, day.day, tzinfo=UTC)
        fields = {
            "dag_id": self.workload.name,
            "run_id": run_id or f"{run_type}__{day}",
            "run_type": SimpleNamespace(value=run_type),
            "data_interval_start": begin,
            "data_interval_end": begin + timedelta(days=days),
            "run_after": begin + timedelta(days=days),
            "start_date": datetime.now(UTC),
        }
        return {
            "dag_run": SimpleNamespace(**fields | run),
            "params": {"epochs": 1, "batch_size": 8, "learning_rate": 0.1},
            "ti": SimpleNamespace(
                id=UUID(int=1), try_number=1, map_index=-1, get_dag=self.get_dag, get_dr_count=self.get_dr_count
            ),
        }

    def get_dag(self, dag_id: str) -> Any:
        if dag_id not in self.known:
            raise AirflowRuntimeError(ErrorResponse(error=ErrorType.GENERIC_ERROR))
        return SimpleNamespace(is_paused=dag_id in self.paused)

    def get_dr_count(self, dag_id: str, run_ids: list[str]) -> int:
        return len(self.triggered & set(run_ids))

    def plan_ingest(self, day: date, workload: Workload | None = None, **given: Any) -> Any:
        task = PlanIngestOperator(
            task_id="plan_ingest", workload=workload or self.patient(arrives_within=timedelta(hours=30))
        )
        return task.execute(self.context(day, **given))

    def ended(self, day: date, outcome: str, workload: Workload | None = None, ago: timedelta = timedelta(0)) -> None:
        """A run of a day that ended so: absent, failed or committed."""
        chosen = workload or self.workload
        context = self.context(day, "manual")
        run = open_run(chosen, context, settings.load_settings(), self.ledger)
        key = TryKey(dag_id=run.dag_id, run_id=run.run_id, repeat=run.repeat, task_id="ingest", try_number=1)
        meter = MeterReading(started_at=NOW - ago, wall_seconds=1, cpu_seconds=1)
        if outcome == "absent":
            result: Result = IngestResult(staged=(), absent=(f"{day}",), absent_reasons={f"{day}": "no file"})
            report = Report(outcome="skipped", reason="no new data", meter=meter, result=result)
        elif outcome == "failed":
            error = BadInputError("bad", where="w", rule="r", remedy="r")
            report = Report(outcome="failed", reason="bad", error=ErrorDetail.of(error), meter=meter)
        else:
            key = key.model_copy(update={"task_id": "validate"})
            uri = (self.arrivals / f"{day}.csv").as_uri()
            part = StagedPartition(
                partition=day, file_uri="file:///s.parquet", rows=1, duplicates=0, source_uri=uri, source_bytes=2,
                source_identity=identity(uri).text, content_sha256="a" * 64,
            )  # fmt: skip
            result = ValidateResult(
                dataset_uri=run.dataset_uri,
                version=1,
                published=(part,),
                outcomes=(),
                profiles={},
            )
            report = Report(outcome="ok", reason="done", meter=meter, result=result)
        self.ledger.commit_report(key, report, "p")
        self.ledger.close_run(run.dag_id, run.run_id, run.repeat, state="skipped", reason="r")

    def look(self) -> list[dict[str, Any]]:
        return LateArrivalsOperator(task_id="look").execute(self.context(TODAY))

    def late(self) -> list[date]:
        return [date.fromisoformat(run["conf"]["partition_from"]) for run in self.look()]


@pytest.fixture
def harness(workload: Workload, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Harness:
    monkeypatch.setenv("MILLRACE_HOME", str(tmp_path))
    settings.load_settings.cache_clear()
    monkeypatch.setattr(late_days, "LOOKS_A_TURN", 1000)
    return Harness(workload, tmp_path)


YESTERDAY, BEFORE = TODAY - timedelta(days=1), TODAY - timedelta(days=2)


def moment(waiting: TaskDeferred) -> datetime:
    return waiting.trigger.moment


def test_a_scheduled_run_waits_without_a_worker_until_its_file_is_there(harness: Harness) -> None:
    with pytest.raises(TaskDeferred) as waiting:
        harness.plan_ingest(YESTERDAY)
    assert waiting.value.method_name == "execute_held"
    assert NOW < moment(waiting.value) <= datetime.combine(TODAY, time(6), UTC) + timedelta(days=1)
    assert harness.ledger.run_summary("flowers")[0]["state"] == "running"
    assert harness.ledger.partition_rows("flowers", YESTERDAY, YESTERDAY) == []
    harness.file(YESTERDAY)
    assert harness.plan_ingest(YESTERDAY) == [{"first": f"{YESTERDAY}", "last": f"{YESTERDAY}"}]


def test_it_looks_less_often_the_longer_it_waits_and_at_last_when_the_time_is_over() -> None:
    def pause(waited: timedelta, left: timedelta = timedelta(days=1)) -> timedelta:
        return next_look(NOW, waited, NOW + left) - NOW

    assert pause(timedelta(0)) == timedelta(seconds=5)
    assert pause(timedelta(minutes=10)) == timedelta(minutes=1)
    assert pause(timedelta(hours=3)) == timedelta(minutes=5)
    assert pause(timedelta(hours=3), left=timedelta(minutes=2)) == timedelta(minutes=2)


def test_it_waits_for_a_file_that_is_still_being_written(harness: Harness) -> None:
    harness.file(YESTERDAY, age_seconds=0)
    with pytest.raises(TaskDeferred):
        harness.plan_ingest(YESTERDAY, harness.patient(arrives_within=timedelta(hours=30), quiet_seconds=600))


def test_a_store_that_is_away_at_one_look_ends_no_wait(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(_source: Any, _day: date) -> Any:
        raise OSError("the store is away")

    monkeypatch.setattr(plan_ingest, "arrival", away)
    with pytest.raises(TaskDeferred):
        harness.plan_ingest(YESTERDAY)
    with pytest.raises(OSError, match="away"):
        harness.plan_ingest(BEFORE, harness.patient(arrives_within=timedelta(hours=1)))


def test_it_waits_for_the_marker(harness: Harness) -> None:
    harness.file(YESTERDAY)
    marker = Marker(uri_template="{arrivals}/flowers/{partition}.done")
    marked = harness.patient(arrives_within=timedelta(hours=30), marker=marker)
    with pytest.raises(TaskDeferred):
        harness.plan_ingest(YESTERDAY, marked)
    (harness.arrivals / f"{YESTERDAY}.done").touch()
    assert len(harness.plan_ingest(YESTERDAY, marked)) == 1


def test_past_its_time_it_is_skipped_with_that_time_and_the_day_is_absent(harness: Harness) -> None:
    within = harness.patient(arrives_within=timedelta(hours=1))
    with pytest.raises(AirflowSkipException) as skipped:
        harness.plan_ingest(BEFORE, within)
    assert str(skipped.value) == (
        f"no new data by {YESTERDAY} 01:00 UTC: no file of arrivals {harness.arrivals.as_uri()}/{BEFORE}.csv"
    )
    (row,) = harness.ledger.partition_rows("flowers", BEFORE, BEFORE)
    assert row["state"] == "absent", "no later run waits for it, and it is taken up when it comes"
    run_id = f"scheduled__{BEFORE}"
    end = run_outcome(by_task({"plan_ingest": "skipped"}), harness.ledger.try_reasons("flowers", run_id, 0))
    assert (end.state, end.reason) == ("skipped", str(skipped.value))


def test_of_several_days_it_goes_on_with_those_that_came_in_time(harness: Harness) -> None:
    harness.file(BEFORE)
    within = harness.patient(arrives_within=timedelta(minutes=1))
    first = BEFORE - timedelta(days=3)
    assert harness.plan_ingest(first, within, days=4)[-1]["last"] == f"{BEFORE}"
    with pytest.raises(TaskDeferred):
        harness.plan_ingest(first, harness.patient(arrives_within=timedelta(days=3)), days=4, run_id="other")


@pytest.mark.parametrize("run_type", ["manual", "backfill", "asset_triggered"])
def test_only_a_scheduled_run_waits(harness: Harness, run_type: str) -> None:
    assert len(harness.plan_ingest(YESTERDAY, run_type=run_type)) == 1


def test_without_a_time_of_arrival_none_waits(harness: Harness) -> None:
    assert len(harness.plan_ingest(YESTERDAY, harness.workload)) == 1


def test_a_day_that_was_skipped_is_taken_up_once_when_its_file_comes(harness: Harness) -> None:
    harness.ended(YESTERDAY, "absent")
    assert harness.look() == []
    harness.file(YESTERDAY, age_seconds=0)
    assert harness.look() == [], "it is still being written"
    harness.file(YESTERDAY)
    (run,) = harness.look()
    assert run["trigger_dag_id"] == "flowers"
    assert run["conf"] == {"partition_from": f"{YESTERDAY}", "partition_to": f"{YESTERDAY}", "train": "newest"}
    assert harness.look() == [run], "the same file has the same run"
    harness.triggered.add(run["trigger_run_id"])
    assert harness.look() == []
    harness.file(YESTERDAY, "b\nc\n")
    (again,) = harness.look()
    assert again["trigger_run_id"] != run["trigger_run_id"]


def test_a_day_that_was_read_is_taken_up_when_its_file_changes(harness: Harness) -> None:
    harness.file(YESTERDAY)
    harness.ended(YESTERDAY, "committed")
    assert harness.late() == []
    harness.file(YESTERDAY, "a\nb\n")
    assert harness.late() == [YESTERDAY]
    (harness.arrivals / f"{YESTERDAY}.csv").unlink()
    assert harness.late() == [], "what was published stays"


def test_a_day_that_failed_is_taken_up_when_its_file_was_written_to_since(harness: Harness) -> None:
    harness.file(YESTERDAY)
    harness.ended(YESTERDAY, "failed")
    assert harness.late() == []
    harness.file(YESTERDAY, age_seconds=-60)
    assert harness.late() == [YESTERDAY]


def test_a_file_whose_last_bytes_came_while_its_run_gave_up_is_not_forgotten(harness: Harness) -> None:
    harness.ended(YESTERDAY, "failed", ago=timedelta(hours=2))
    harness.file(YESTERDAY, age_seconds=3600)
    assert harness.late() == [YESTERDAY], "written after ingest began, and before the run had ended"


def test_days_in_flight_beyond_the_horizon_paused_and_gone_are_left_alone(harness: Harness) -> None:
    week_ago = TODAY - timedelta(days=8)
    for day in (YESTERDAY, week_ago):
        harness.ended(day, "absent")
        harness.file(day)
    assert harness.late() == [YESTERDAY], "late_days is 7"
    open_run(harness.workload, harness.context(YESTERDAY, "manual", "again"), settings.load_settings(), harness.ledger)
    assert harness.late() == []
    harness.ledger.close_run("flowers", "again", 0, state="failed", reason="r")
    harness.paused.add("flowers")
    assert harness.late() == []
    harness.paused.clear()
    harness.known.clear()
    assert harness.late() == []
    harness.known.add("flowers")
    assert harness.late() == [YESTERDAY]


def test_a_marker_is_waited_for_here_too(harness: Harness) -> None:
    marked = harness.patient(marker=Marker(uri_template="{arrivals}/flowers/{partition}.done"))
    harness.ended(YESTERDAY, "absent", marked)
    harness.file(YESTERDAY)
    assert harness.late() == []
    (harness.arrivals / f"{YESTERDAY}.done").touch()
    assert harness.late() == [YESTERDAY]


def test_more_days_than_a_turn_holds_are_looked_at_turn_by_turn(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(late_days, "LOOKS_A_TURN", 2)
    days = [TODAY - timedelta(days=ago) for ago in range(1, 6)]
    for day in days:
        harness.ended(day, "absent")
        harness.file(day)
    arrivals = settings.load_settings().arrivals
    turns = [late_days.late_days(harness.ledger, arrivals, NOW + timedelta(seconds=900 * turn)) for turn in range(5)]
    assert {len(turn) for turn in turns} == {2}
    assert {found.day for turn in turns for found in turn} == set(days)


@pytest.fixture
def broken(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> Callable[[date], None]:
    """Makes the store fail for a day."""

    def break_day(day: date) -> None:
        real = vars(late_days)["delivered"]  # breaks the days that are broken already

        def delivered(source: Any, asked: date) -> str | None:
            if asked == day:
                raise TransientError("the store is away", where="w", rule="r", remedy="r")
            return real(source, asked)

        monkeypatch.setattr(late_days, "delivered", delivered)

    return break_day


def test_a_store_that_fails_for_one_day_hides_no_other_and_is_told_when_it_is_all(
    harness: Harness, broken: Callable[[date], None]
) -> None:
    for day in (YESTERDAY, BEFORE):
        harness.ended(day, "absent")
        harness.file(day)
    broken(BEFORE)
    assert harness.late() == [YESTERDAY]
    broken(YESTERDAY)
    with pytest.raises(TransientError, match="away"):
        harness.late()
