"""A real Airflow (scheduler, DAG processor, triggerer, API server) in a folder of its own, and its arrivals."""

import contextlib
import random
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from millrace.cli.demonstration.follow import AirflowApi
from millrace.cli.local_airflow import LocalAirflow
from millrace.cli.scaffold import write_workload
from millrace.ledger.ledger import Ledger
from millrace.sizing.catalogue import CATALOGUE

FIRST_DAY = date(2026, 3, 2)
RUN_TIMEOUT_SECONDS = 900
# a killed supervisor is missed, and a hanging orphan given up, sooner than people would have it
IMPATIENCE = {"AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "15", "MILLRACE_STOP_GRACE_SECONDS": "5"}


def free_port() -> int:
    """A free port, below those that the system gives to outgoing connections."""
    while True:
        port = random.randrange(20_000, 30_000)
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port


def machine_rows(day: date, rows: int = 120) -> list[str]:
    """A day's readings: the state follows from the sensors, a little noisily; the same day is the same rows."""
    chance = random.Random(day.toordinal())
    lines = ["id,temperature,vibration,load,state"]
    for number in range(rows):
        state = ("well", "worn", "broken")[number % 3]
        level = {"well": 0, "worn": 1, "broken": 2}[state]
        temperature = chance.gauss(40 + 20 * level, 6)
        vibration = abs(chance.gauss(1 + 2 * level, 0.5))
        lines.append(
            f"{day.toordinal() * 10_000 + number},{temperature:.3f},{vibration:.3f},{chance.random():.3f},{state}"
        )
    return lines


class AirflowEnv:
    """A running Airflow with the tabular workloads, their ledger and their arrivals."""

    def __init__(self, home: Path, dags: Path) -> None:
        self.airflow = LocalAirflow(home, free_port(), dags)
        self.mail_port = free_port()
        self.ledger = Ledger(f"sqlite:///{home / 'ledger.db'}")
        self.arrivals = home / "arrivals"
        self.store = home / "store"
        self.forecast = home / "forecast.csv"
        self.power_cap_watts = 1e6
        self.catalogue = home / "site.yaml"
        entry = f"local: {{power_cap_watts: {self.power_cap_watts}}}"
        self.catalogue.write_text(CATALOGUE.read_text().replace("local: {}", entry))

    @contextlib.contextmanager
    def running(self) -> Iterator["AirflowEnv"]:
        """Its Airflow is up within the block, with a client that has logged in, and its ledger is migrated."""
        self.ledger.migrate()
        self.airflow.up()
        try:
            self.api = AirflowApi(self.airflow)
            yield self
        finally:
            self.airflow.down()

    def deliver(self, day: date, workload: str = "machine_faults", rows: int = 120) -> Path:
        """Put a day's file of arrivals."""
        file = self.arrivals / workload / f"{day}.csv"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("\n".join(machine_rows(day, rows)) + "\n")
        return file

    def command(self, *arguments: str) -> str:
        """An airflow command of this home; returns what it prints."""
        done = subprocess.run(
            [str(Path(__file__).resolve().parents[2] / ".venv/bin/airflow"), *arguments],
            env=self.airflow.environment(),
            capture_output=True,
            text=True,
            timeout=180,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def run(self, dag_id: str = "machine_faults", **conf: object) -> str:
        """Trigger a run and return its id."""
        self.api.await_dag(dag_id)
        return self.api.trigger(dag_id, conf)

    def wait(self, ready: Callable[[], object], what: str, timeout_seconds: float = RUN_TIMEOUT_SECONDS) -> Any:
        """Poll until ``ready`` is truthy; bounded."""
        deadline = time.monotonic() + timeout_seconds
        while time.monotonic() < deadline:
            if answer := ready():
                return answer
            time.sleep(0.5)
        raise AssertionError(f"{what}: not after {timeout_seconds} s; rows {self.ledger.run_summary()}")

    def finish(self, run_id: str, dag_id: str = "machine_faults") -> dict[str, Any]:
        """Wait for a run's end; returns its newest row of run_summary."""
        self.wait(lambda: self.api.run_state(dag_id, run_id) in ("success", "failed"), f"run {run_id}")
        return self.summary(run_id, dag_id)

    def log(self, dag_id: str, run_id: str, task: str) -> str:
        """What Airflow's UI shows of the first try of a task, whatever state it is in."""
        path = f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task}/logs/1"
        answer = httpx.get(self.airflow.url + path, params={"full_content": True}, headers=self.api.headers, timeout=60)
        return answer.raise_for_status().text

    def summary(self, run_id: str, dag_id: str = "machine_faults") -> dict[str, Any]:
        """The run's newest row of run_summary."""
        return max(self.ledger.run_summary(dag_id=dag_id, run_id=run_id), key=lambda row: int(row["repeat"]))


@pytest.fixture(scope="session")
def airflow_env(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AirflowEnv]:
    home = tmp_path_factory.mktemp("airflow_env")
    dags = home / "dags"
    shutil.copytree(Path(__file__).with_name("dags"), dags, ignore=shutil.ignore_patterns("__pycache__"))
    write_workload("churn", dags)
    shutil.copy(Path(__file__).resolve().parents[2] / "dags" / "late_arrivals.py", dags)
    airflow_env = AirflowEnv(home, dags)
    with pytest.MonkeyPatch.context() as patch:
        site = {
            "MILLRACE_FORECAST_URI": str(airflow_env.forecast),
            "MILLRACE_CATALOGUE": str(airflow_env.catalogue),
            "AIRFLOW_CONN_SMTP_DEFAULT": f"smtp://127.0.0.1:{airflow_env.mail_port}/?disable_ssl=true&disable_tls=true",
        }
        for name, value in (IMPATIENCE | site).items():
            patch.setenv(name, value)
        with airflow_env.running():
            yield airflow_env


@pytest.fixture(scope="session")
def first_day() -> date:
    return FIRST_DAY


@pytest.fixture(scope="session")
def week() -> list[date]:
    return [FIRST_DAY + timedelta(days=offset) for offset in range(7)]
