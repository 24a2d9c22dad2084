"""The step protocol: what a step's exit code and report say of how it ended."""

import errno
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from millrace.contracts.errors import BadInputError, InterruptedStepError, RefusedError, TransientError
from millrace.contracts.report import IngestResult, Report
from millrace.contracts.run_spec import METER_FILE, REPORT_FILE, SPEC_FILE, RunSpec
from millrace.step.main import Handler, Skip, Stop, main
from millrace.storage import files

DETAIL: dict[str, Any] = {"where": "here", "rule": "a rule", "remedy": "a remedy"}


@pytest.fixture(autouse=True)
def _keep_sigterm() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def run(spec: RunSpec, handler: Handler, kind: str = "ingest") -> tuple[int, Report | None]:
    uri = files.join(spec.attempt_uri, SPEC_FILE)
    files.write_bytes(uri, spec.model_dump_json().encode())
    code = main({kind: handler}, ["--spec", uri])
    report = files.join(spec.attempt_uri, REPORT_FILE)
    return code, Report.model_validate_json(files.read_bytes(report)) if files.exists(report) else None


def raising(error: Exception) -> Handler:
    def handler(_spec: RunSpec, _stop: Stop) -> None:
        raise error

    return handler


@pytest.mark.parametrize(
    ("error", "code", "outcome", "why"),
    [
        (BadInputError("bad", **DETAIL), 10, "failed", "bad_input"),
        (TransientError("away", **DETAIL), 20, "failed", "transient"),
        (InterruptedStepError("stopped", **DETAIL), 30, "interrupted", "interrupted"),
        (RefusedError("no", **DETAIL), 40, "failed", "refused"),
        (KeyError("surprise"), 20, "failed", "unforeseen"),
        (MemoryError("malloc of size 65000000000 failed"), 20, "failed", "out_of_memory"),
        (OSError(errno.EIO, "no answer"), 20, "failed", "unforeseen"),
        (OSError(errno.ENOSPC, "No space left on device"), 10, "failed", "bad_input"),
        (Skip("nothing new"), 0, "skipped", "no_new_data"),
    ],
)
def test_an_error_is_an_exit_code_and_a_report(
    spec: RunSpec, error: Exception, code: int, outcome: str, why: str
) -> None:
    found, report = run(spec, raising(error))
    assert report is not None
    assert (found, report.outcome, report.code) == (code, outcome, why)
    if isinstance(error, BadInputError):
        assert report.error is not None
        assert report.error.model_dump(include=set(DETAIL)) == DETAIL


def test_memory_that_ran_out_is_called_that(spec: RunSpec) -> None:
    _, report = run(spec, raising(MemoryError("malloc of size 65000000000 failed")))
    assert report is not None
    assert report.error is not None
    assert report.reason.startswith("memory ran out: malloc of size 65000000000 failed")
    assert "more memory" in report.error.remedy


def test_a_result_is_reported_with_what_it_used(spec: RunSpec) -> None:
    code, report = run(spec, lambda *_: IngestResult(staged=()))
    assert report is not None
    assert (code, report.outcome, report.result) == (0, "ok", IngestResult(staged=()))
    assert report.meter.wall_seconds > 0
    assert files.exists(files.join(spec.attempt_uri, METER_FILE))


def test_sigterm_asks_the_handler_to_stop(spec: RunSpec) -> None:
    def handler(_spec: RunSpec, stop: Stop) -> None:
        signal.raise_signal(signal.SIGTERM)
        stop.check("between two units")

    assert run(spec, handler)[0] == 30


def test_a_step_that_the_image_lacks_is_bad_input(spec: RunSpec) -> None:
    code, report = run(spec, lambda *_: None, kind="serve")
    assert code == 10
    assert report is not None
    assert report.error is not None
    assert "'ingest'" in report.error.what


def test_a_spec_that_cannot_be_read_is_bad_input(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main({}, ["--spec", files.to_uri(tmp_path / "none.json")]) == 10
    assert "none.json" in capsys.readouterr().err
    assert main({}, ["--spec", "gopher2://host/spec.json"]) == 10
    assert "remedy:" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("handler", "code"),
    [(lambda *_: None, 10), (raising(TransientError("away", **DETAIL)), 20)],
)
def test_without_room_for_the_report_a_step_has_not_succeeded(
    spec: RunSpec, monkeypatch: pytest.MonkeyPatch, handler: Handler, code: int
) -> None:
    write = files.write_bytes

    def full(uri: str, data: bytes) -> None:
        if uri.endswith(REPORT_FILE):
            raise files.storage_full(uri, OSError(errno.ENOSPC, "No space left on device"))
        write(uri, data)

    monkeypatch.setattr(files, "write_bytes", full)
    assert run(spec, handler) == (code, None)
