"""Tries whose end no task saw are counted when the run ends, once."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from millrace import settings
from millrace.contracts.measurement import MeterReading
from millrace.contracts.report import IngestResult, Report
from millrace.contracts.run_spec import METER_FILE, REPORT_FILE, SPEC_FILE, RunSpec
from millrace.ledger.ledger import Ledger
from millrace.orchestration import listeners
from millrace.runs import attempt_folders
from millrace.runs.run import run_folder_uri
from millrace.storage import files

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


def reading(minute: int, joules: float) -> MeterReading:
    started_at = NOON + timedelta(minutes=minute)
    return MeterReading(started_at=started_at, wall_seconds=5, cpu_seconds=5, joules=joules, energy_method="estimated")


class Folder:
    """What the tries of one run left in the store."""

    def __init__(self, spec: RunSpec, home: Path) -> None:
        self.spec = spec
        self.uri = run_folder_uri(files.to_uri(home / "store"), spec.key.dag_id, spec.key.run_id)

    def leave(
        self, name: str, *, number: int = 1, repeat: int = 0, meter: MeterReading | None, report: Report | None = None
    ) -> RunSpec:
        """One try's order, and what is left of it."""
        key = self.spec.key.model_copy(update={"try_number": number, "repeat": repeat})
        uri = files.join(self.uri, key.task_id, name)
        spec = self.spec.model_copy(update={"key": key, "attempt_uri": uri})
        for file, document in ((SPEC_FILE, spec), (METER_FILE, meter), (REPORT_FILE, report)):
            if document is not None:
                files.write_bytes(files.join(uri, file), document.model_dump_json().encode())
        return spec


@pytest.fixture
def folder(spec: RunSpec, tmp_path: Path) -> Folder:
    return Folder(spec, tmp_path)


@pytest.fixture
def ledger(spec: RunSpec, tmp_path: Path) -> Ledger:
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    ledger.migrate()
    ledger.open_run(
        spec.key.dag_id,
        spec.key.run_id,
        workload="flowers",
        team="tests",
        site="local",
        partition_first=date(2026, 1, 1),
        partition_last=date(2026, 1, 1),
        run_type="manual",
    )
    return ledger


def joules(ledger: Ledger, spec: RunSpec) -> list[tuple[str, float | None]]:
    return [(row["outcome"], row["joules"]) for row in ledger.tries(spec.key.dag_id, spec.key.run_id, spec.key.repeat)]


def test_a_pod_that_no_task_came_back_for_is_counted_once(ledger: Ledger, folder: Folder) -> None:
    first = folder.leave("try-1", meter=reading(0, 3.0))
    folder.leave("try-1-restart-1", meter=reading(1, 4.0))
    for _ in range(2):
        attempt_folders.count_lost(folder.uri, 0, ledger)
    assert joules(ledger, first) == [("lost", 3.0), ("lost", 4.0)]


def test_a_report_that_nobody_took_counts_with_all_that_it_measured(ledger: Ledger, folder: Folder) -> None:
    done = Report(outcome="ok", reason="done", meter=reading(0, 9.0), result=IngestResult(staged=()))
    spec = folder.leave("try-1", meter=reading(0, 3.0), report=done)
    attempt_folders.count_lost(folder.uri, 0, ledger)
    assert joules(ledger, spec) == [("lost", 9.0)]
    assert ledger.committed_report(spec.key.dag_id, spec.key.run_id, "ingest") is None, "no task stands for it"


def test_what_is_in_the_ledger_is_not_counted_again(ledger: Ledger, folder: Folder) -> None:
    done = Report(outcome="ok", reason="done", meter=reading(0, 9.0), result=IngestResult(staged=()))
    spec = folder.leave("try-1", meter=reading(0, 8.0), report=done)
    ledger.commit_report(spec.key, done, "pod:steps/a")
    # the second try took the first one's pod over: its own folder has an order, and no process ever read it
    folder.leave("try-2", number=2, meter=None)
    attempt_folders.count_lost(folder.uri, 0, ledger)
    assert joules(ledger, spec) == [("ok", 9.0)]


def test_a_repeat_counts_its_own_tries(ledger: Ledger, folder: Folder) -> None:
    spec = folder.leave("try-2", repeat=1, meter=reading(0, 3.0))
    attempt_folders.count_lost(folder.uri, 0, ledger)
    assert joules(ledger, spec) == []


def test_a_run_that_a_person_ends_is_counted_too(
    ledger: Ledger, folder: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MILLRACE_HOME", str(tmp_path))
    settings.load_settings.cache_clear()
    spec = folder.leave("try-1", meter=reading(0, 3.0))
    listeners.on_dag_run_failed(SimpleNamespace(dag_id=spec.key.dag_id, run_id=spec.key.run_id), "")
    settings.load_settings.cache_clear()
    assert joules(ledger, spec) == [("lost", 3.0)]
    assert ledger.run_summary(spec.key.dag_id)[0]["measured_joules"] == 3.0


@pytest.mark.parametrize(
    "forged", [{"run_id": "manual__2"}, {"dag_id": "another"}, {"task_id": "train"}, {"try_number": 7}]
)
def test_an_order_in_another_tries_folder_books_nothing(
    ledger: Ledger, folder: Folder, forged: dict[str, object]
) -> None:
    spec = folder.leave("try-1", meter=reading(0, 1e9))
    key = spec.key.model_copy(update=forged)
    forgery = spec.model_copy(update={"key": key})
    files.write_bytes(files.join(spec.attempt_uri, SPEC_FILE), forgery.model_dump_json().encode())
    attempt_folders.count_lost(folder.uri, 0, ledger)
    assert joules(ledger, spec) == []
    assert ledger.tries(key.dag_id, key.run_id, 0) == []


def test_a_tries_meter_is_the_one_in_its_own_folder(ledger: Ledger, folder: Folder) -> None:
    spec = folder.leave("try-1", meter=reading(0, 3.0))
    elsewhere = files.join(folder.uri, "elsewhere")
    files.write_bytes(files.join(elsewhere, METER_FILE), reading(1, 1e9).model_dump_json().encode())
    forgery = spec.model_copy(update={"attempt_uri": elsewhere})
    files.write_bytes(files.join(spec.attempt_uri, SPEC_FILE), forgery.model_dump_json().encode())
    attempt_folders.count_lost(folder.uri, 0, ledger)
    assert joules(ledger, spec) == [("lost", 3.0)]
