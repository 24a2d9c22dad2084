"""A store, a ledger and arrivals in one place, whose state is kept before each task and put back for each case."""

import json
import os
import random
import shutil
import signal
import time
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import psutil
from matrix.bucket import Bucket
from matrix.points import POINT, REACHED, Point
from matrix.task import OK, RETRY, STATES
from matrix.warm import STEP_POINT, WARM, WarmProcess

from millrace.ledger.ledger import Ledger
from millrace.storage import files

FIRST_DAY = date(2026, 3, 2)
DAYS = (FIRST_DAY, FIRST_DAY + timedelta(days=1))
TRY_SECONDS = 150


def machine_rows(day: date, rows: int = 150) -> list[str]:
    """A day's readings as CSV lines; the state follows from the sensors, and the same day is the same rows."""
    chance = random.Random(day.toordinal())
    lines = ["id,temperature,vibration,load,state"]
    for number in range(rows):
        level = number % 3
        sensors = (chance.gauss(40 + 20 * level, 6), abs(chance.gauss(1 + 2 * level, 0.5)), chance.random())
        told = ",".join(f"{value:.3f}" for value in sensors)
        lines.append(f"{day.toordinal() * 10_000_000 + number},{told},{('well', 'worn', 'broken')[level]}")
    return lines


class AirflowEnv:
    """Everything of one run below ``home``, but the store where that is elsewhere."""

    def __init__(self, home: Path, fork_servers: Path, store: str = "", **environment: str) -> None:
        self.home = home
        self.kept = home.with_name(home.name + "-kept")
        self.store = store or (home / "store").as_uri()
        self.ledger_url = f"sqlite:///{home / 'ledger.db'}"
        self.environment = {
            "MILLRACE_HOME": str(home),
            "FAULT_DAYS": f"{DAYS[0]}..{DAYS[-1]}",
            STATES: "watch=success",
            **environment,
        }
        self.environment |= {"MILLRACE_STORAGE_URI": self.store, "MILLRACE_STOP_GRACE_SECONDS": "5"}
        self.environment |= {name: value for name, value in os.environ.items() if name.startswith(("AWS_", "HADOOP_"))}
        self._fork_servers = fork_servers
        self._bucket = Bucket(self.store) if self.store.startswith("s3://") else None
        home.mkdir(parents=True, exist_ok=True)
        self.ledger.migrate()

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.environment.get("MILLRACE_LEDGER_URL", self.ledger_url))

    @property
    def log(self) -> Path:
        """What the tasks of this Airflow environment say."""
        return self.home / "tasks.log"

    def deliver(self, day: date, lines: list[str] | None = None) -> Path:
        """Put a day's file of arrivals."""
        file = self.home / "arrivals" / "machine_faults" / f"{day}.csv"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("\n".join(machine_rows(day) if lines is None else lines) + "\n")
        return file

    # --- tries ---

    def start(self, task: str, number: int = 1, point: Point | None = None, cold: bool = False, **env: str) -> Any:
        """Start a try of a task; ``point`` kills it, or the step that it starts."""
        environment = {**self.environment, **env} | ({} if cold else {WARM: str(self._fork_servers)})
        if point is not None:
            armed = {POINT: point.name, REACHED: str(self.reached)}
            environment |= armed if point.side == "task" else {STEP_POINT: json.dumps(armed)}
        with self.log.open("ab") as output:
            output.write(f"--- {task}, try {number}, killed at {point.name if point else 'no point'}\n".encode())
            output.flush()
            return WarmProcess(
                self._fork_servers / "airflow",
                "matrix.task",
                [task, str(number)],
                self.home,
                environment,
                [output.fileno()],
            )

    def run(self, task: str, number: int = 1, **options: Any) -> int:
        """One try to its end; its exit code."""
        code: int = self.start(task, number, **options).wait(TRY_SECONDS)
        return code

    def retry(self, task: str, number: int = 2, tries: int = 2, **env: str) -> int:
        """Try again what was killed or failed for the moment, ``tries`` times at most, as Airflow does."""
        for further in range(number, number + tries):
            code = self.run(task, further, **env)
            if code not in (RETRY, -signal.SIGKILL):
                return code
        return code

    def expect(self, task: str, number: int = 1, **options: Any) -> None:
        """One try that goes well."""
        code = self.run(task, number, **options)
        assert code == OK, f"{task} ended with {code}\n{self.said()}"

    def said(self) -> str:
        """The end of what tasks said."""
        return self.log.read_text()[-6000:]

    @property
    def reached(self) -> Path:
        """The word that a point leaves."""
        return self.home.with_name(self.home.name + "-reached")

    def steps_alive(self) -> list[int]:
        """Processes of steps that still hold their lock or run in an attempt's folder."""
        found = []
        for process in psutil.process_iter(["cwd"]):
            folder = process.info["cwd"] or ""
            if folder.startswith(f"{self.home}/") and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
        return found

    def quiet(self, seconds: float = 20) -> list[int]:
        """The processes that are still there after a while; none, where all is well."""
        deadline = time.monotonic() + seconds
        while (alive := self.steps_alive()) and time.monotonic() < deadline:
            time.sleep(0.05)
        return alive

    def end_all(self) -> None:
        """End what a case has left running."""
        for pid in self.steps_alive():
            os.kill(pid, signal.SIGKILL)
        self.quiet()

    # --- keeping and putting back ---

    def keep(self, name: str) -> None:
        """Keep the state of ledger and store under a name."""
        shutil.copytree(self.home, self.kept / name / "home", symlinks=True)
        if self._bucket is not None:
            self._bucket.keep(self.kept / name / "store")

    def put_back(self, name: str) -> None:
        """The state that was kept, and nothing else."""
        self.reached.unlink(missing_ok=True)
        shutil.rmtree(self.home)
        shutil.copytree(self.kept / name / "home", self.home, symlinks=True)
        if self._bucket is not None:
            self._bucket.put_back(self.kept / name / "store")

    def empty(self) -> None:
        """Leave nothing in a bucket."""
        if self._bucket is not None:
            self._bucket.put_back(self.home / "nothing")

    def objects(self) -> list[str]:
        """The key of every file of the store."""
        if self._bucket is not None:
            return list(self._bucket.objects())
        return ["/".join(each.names) for each in files.walk(self.store)]
