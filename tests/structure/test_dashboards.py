"""The dashboards that are committed are those that the program writes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


def test_the_committed_dashboards_are_what_the_program_writes(repository: Path, tmp_path: Path) -> None:
    library = repository / ".venvs" / "dashboards"
    if not library.exists():
        pytest.skip("make .venvs/dashboards/.synced installs the library that writes dashboards")
    written: list[str | Path] = [sys.executable, repository / ".ci" / "dashboards" / "write.py", tmp_path]
    subprocess.run(written, env={**os.environ, "PYTHONPATH": str(library)}, check=True)
    committed = repository / "images" / "stack" / "grafana" / "dashboards"
    assert {path.name: path.read_text() for path in committed.iterdir()} == {
        path.name: path.read_text() for path in tmp_path.iterdir()
    }, "run make dashboards"
