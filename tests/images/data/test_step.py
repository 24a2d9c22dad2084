import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from millrace.contracts.data import Dataset, Window
from millrace.contracts.report import IngestResult, Report, ValidateResult
from millrace.contracts.run_spec import IngestTask, RunSpec, ValidateTask
from millrace.runs import data_docs
from millrace.storage import files

MakeDataset = Callable[..., Dataset]
MakeRows = Callable[[int], list[dict[str, Any]]]
Arrive = Callable[..., Path]
MakeSpec = Callable[..., RunSpec]


def _start(spec: RunSpec, *program: str) -> subprocess.Popen[bytes]:
    uri = files.join(spec.attempt_uri, "spec.json")
    files.write_bytes(uri, spec.model_dump_json().encode())
    return subprocess.Popen([sys.executable, *(program or ("-m", "millrace_data")), "--spec", uri])


def _run(spec: RunSpec) -> tuple[int, Report]:
    code = _start(spec).wait(timeout=300)
    return code, Report.model_validate_json(files.read_bytes(files.join(spec.attempt_uri, "report.json")))


def test_ingest_then_validate_by_command_line(
    text_dataset: MakeDataset, text_rows: MakeRows, arrive: Arrive, make_spec: MakeSpec, tmp_path: Path, day: Any
) -> None:
    dataset = text_dataset()
    arrive(dataset, text_rows(60))
    code, report = _run(make_spec(dataset, IngestTask(window=Window(first=day, last=day)), "1"))
    assert (code, report.outcome) == (0, "ok")
    assert isinstance(report.result, IngestResult)
    task = ValidateTask(
        staged=report.result.staged,
        dataset_uri=(tmp_path / "table").as_uri(),
        live_profile=None,
        base_model=None,
    )
    spec = make_spec(dataset, task, "2")
    code, report = _run(spec)
    assert (code, report.outcome) == (0, "ok")
    assert isinstance(report.result, ValidateResult)
    assert files.exists(data_docs.of_attempt(spec.attempt_uri))


def test_nothing_happens_to_a_step_after_its_work(
    text_dataset: MakeDataset, make_spec: MakeSpec, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, day: Any
) -> None:
    """A library that would end the process by a signal on Python's way out is not asked."""
    (tmp_path / "sitecustomize.py").write_text("import atexit, os\natexit.register(os.abort)\n")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *sys.path]))
    code, report = _run(make_spec(text_dataset(), IngestTask(window=Window(first=day, last=day))))
    assert (code, report.outcome) == (0, "skipped")


def test_no_arrivals_end_as_skipped_and_bad_ones_with_10(
    text_dataset: MakeDataset, arrive: Arrive, make_spec: MakeSpec, day: Any
) -> None:
    dataset = text_dataset()
    task = IngestTask(window=Window(first=day, last=day))
    code, report = _run(make_spec(dataset, task, "1"))
    assert (code, report.outcome) == (0, "skipped")
    assert "no new data" in report.reason
    arrive(dataset, b"{}\n")
    code, report = _run(make_spec(dataset, task, "2"))
    assert (code, report.outcome) == (10, "failed")
    assert report.error is not None
    assert "field 'id'" in report.error.where


_SLOWLY = """
import sys, time
from millrace.step.main import main
from millrace_data import ingest
rule = ingest.first_violation
ingest.first_violation = lambda *given: (time.sleep(0.3), rule(*given))[1]
sys.exit(main({"ingest": ingest.ingest}))
"""


@pytest.mark.parametrize(("sign", "code"), [(signal.SIGTERM, 30), (signal.SIGKILL, -signal.SIGKILL)])
def test_ended_in_the_middle_leaves_no_staged_file(
    text_dataset: MakeDataset, text_rows: MakeRows, arrive: Arrive, make_spec: MakeSpec, day: Any, sign: int, code: int
) -> None:
    dataset = text_dataset()
    arrive(dataset, [row | {"text": row["text"] + "x" * 1900} for row in text_rows(20_000)])
    spec = make_spec(dataset, IngestTask(window=Window(first=day, last=day)))
    step = _start(spec, "-c", _SLOWLY)
    out = files.local_path(spec.attempt_uri) / "out"
    while not list(out.glob("*.part")):
        time.sleep(0.05)
        assert step.poll() is None
    step.send_signal(sign)
    assert step.wait(timeout=60) == code
    assert not list(out.glob("*.parquet"))
    if sign == signal.SIGTERM:
        assert list(out.iterdir()) == []
        report = Report.model_validate_json(files.read_bytes(files.join(spec.attempt_uri, "report.json")))
        assert report.outcome == "interrupted"
