"""A process is the same one whatever the wall clock says."""

import json
import os
from typing import Any

import psutil
import pytest

from millrace.energy import process_start


@pytest.fixture
def known() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(process_start.remembered(psutil.Process())))
    return found


@pytest.mark.parametrize("step_seconds", [-3600, 5, 86400])
def test_a_clock_that_was_set_makes_no_other_process_of_it(
    known: dict[str, Any], monkeypatch: pytest.MonkeyPatch, step_seconds: int
) -> None:
    platform = psutil._psplatform  # type: ignore[attr-defined]
    before = psutil.Process().create_time()
    boot_seconds = platform.boot_time()
    monkeypatch.setattr(platform, "boot_time", lambda: boot_seconds + step_seconds)
    assert psutil.Process().create_time() == pytest.approx(before + step_seconds), "the clock was not set"
    assert process_start.recalled(known) == psutil.Process()


@pytest.mark.parametrize(
    "change", [{"began_seconds": -5.0}, {"boot": "another"}, {"pid": 2**22 + 1}, {"created_at": 1.0}]
)
def test_another_process_of_that_id_is_none(known: dict[str, Any], change: dict[str, Any]) -> None:
    assert process_start.recalled(known | change) is None


def test_a_file_of_before_is_understood() -> None:
    process = psutil.Process()
    assert process_start.recalled({"pid": os.getpid(), "created_at": process.create_time()}) == process
