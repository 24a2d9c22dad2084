"""What Airflow imports before it opens its database."""

import subprocess
import sys
from pathlib import Path

import pytest

ASK = """
import runpy, sys
import sqlalchemy as sa
sys.argv = ["airflow", sys.argv[2]]
runpy.run_path("plugins/millrace/cli/embedded_airflow/airflow_local_settings.py")
with sa.create_engine("sqlite:///?timeout=60").connect() as connection:
    print(connection.exec_driver_sql("PRAGMA busy_timeout").scalar())
"""


@pytest.mark.parametrize(("component", "waits_ms"), [("api-server", 5_000), ("scheduler", 60_000)])
def test_the_api_server_alone_waits_briefly_for_sqlite(repository: Path, component: str, waits_ms: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", ASK, "-", component], cwd=repository, check=True, capture_output=True, text=True
    )
    assert int(done.stdout) == waits_ms
