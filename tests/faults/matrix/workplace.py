"""A workload with the real ledger, the real model server and the real operators; its steps are doubles."""

import hashlib
import json
import os
import random
import shutil
import signal
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from airflow.sdk.exceptions import AirflowException

from millrace.contracts.data import DatasetVersion
from millrace.contracts.errors import StepError
from millrace.contracts.measurement import Hardware, MeterReading, Quantity
from millrace.contracts.model import ModelVersion
from millrace.contracts.plan import Plan
from millrace.contracts.report import EvaluateResult, ExportResult, Quality, Report, ServingCost
from millrace.contracts.run_spec import TryKey
from millrace.contracts.workload import GatePolicy, ServingPolicy, Workload
from millrace.ledger.ledger import Ledger
from millrace.orchestration.operators.finish import FinishOperator
from millrace.orchestration.operators.gate import GateOperator
from millrace.orchestration.operators.rollout import RolloutOperator
from millrace.orchestration.operators.watch import WatchOperator
from millrace.orchestration.operators.workload import WorkloadOperator
from millrace.orchestration.servers import answering, live_version
from millrace.orchestration.servers.process_servers import ProcessServers
from millrace.runs.retention import Retention
from millrace.serving.client import InferenceClient, RequestFailedError
from millrace.serving.process_traffic import ProcessTraffic
from millrace.settings import Settings, load_settings
from millrace.storage import files

NAME = "colours"
DAY = date(2026, 3, 3)
QUALITIES = {"pass": (0.9, 1000), "fail": (0.1, 1000), "inconclusive": (0.9, 10)}
_ROW = {"a": 1.0, "b": 0.0}


class Workplace:
    """Runs of one workload, step by step; ``barred`` is what a person took back, by this class's own account."""

    def __init__(self, home: Path, base: Workload, models: Any, chance: random.Random) -> None:
        self.home, self.chance = home, chance
        self.settings: Settings = load_settings()
        self.ledger: Ledger = self.settings.ledger()
        self.workload = base.model_copy(
            update={
                "name": NAME,
                "gate": GatePolicy(quality_floor=0.5, min_test_rows=100),
                "serving": ServingPolicy(
                    canary_steps=(50,), requests_per_step=2, watch_seconds=0.05, max_slowdown=1000
                ),
            }
        )
        self._models = models
        self.runs: dict[str, str] = {}
        self.closed: set[str] = set()
        self.rolling: dict[str, str] = {}
        self.barred: set[str] = set()
        self.live: str | None = None
        self.before: str | None = None
        self.server_killed = False
        self.said: list[str] = []
        self._tries = 0
        files.write_bytes(self._replay_uri, json.dumps(_ROW).encode())

    @property
    def _replay_uri(self) -> str:
        return files.join(self.settings.store, "replay.jsonl")

    # --- what steps would do ---

    def train(self, again: str | None = None) -> str:
        """A run as far as its evaluation, of a new version or of one that an earlier run made too."""
        run_id = f"run-{len(self.runs)}"
        version = again or f"v-{len({*self.runs.values()})}"
        self.runs[run_id] = version
        day = DAY + timedelta(days=self.chance.choice((0, 0, 1)))
        repeat = self.ledger.open_run(
            NAME, run_id, workload=NAME, team="t", site="local", partition_first=day, partition_last=day,
            run_type="manual",
        )  # fmt: skip
        self.ledger.store_plan(NAME, run_id, repeat, _plan(day))
        model = self._sealed(version)
        f1, rows = QUALITIES[self.chance.choice(("pass", "pass", "pass", "inconclusive", "fail"))]
        cost = ServingCost(
            requests=1, p50_latency_seconds=0.01, p99_latency_seconds=0.01, joules_per_request=None,
            energy_method=None, peak_memory_bytes=1,
        )  # fmt: skip
        quality = Quality(
            model=model, rows=rows, micro_f1=f1, macro_f1=f1, calibration_error=0, labels=(), serving=cost
        )  # fmt: skip
        self._report(run_id, repeat, "export", ExportResult(model=model, export_error=0, export_tolerance=1, bytes=1))
        result = EvaluateResult(candidate=quality, live=None, baseline=None, replay_uri=self._replay_uri)
        self._report(run_id, repeat, "evaluate", result)
        return run_id

    def _sealed(self, version: str) -> ModelVersion:
        """The version's folder: made once, and again where it was swept; the same content each time."""
        folder = self.home / "store" / "models" / NAME / version
        if not folder.exists():
            made = self._models.tabular(version, weight=1 + len(version) / 100 + sum(version.encode()) / 1e4)
            shutil.copytree(files.local_path(made.uri), folder)
        digest = hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest()
        return ModelVersion(workload=NAME, version=version, uri=files.to_uri(folder), manifest_sha256=digest)

    def _report(self, run_id: str, repeat: int, task: str, result: Any) -> None:
        self._tries += 1
        meter = MeterReading(started_at=datetime.now(UTC), wall_seconds=1, cpu_seconds=1)
        key = TryKey(dag_id=NAME, run_id=run_id, repeat=repeat, task_id=task, try_number=self._tries)
        self.ledger.commit_report(
            key, Report(outcome="ok", reason="done", meter=meter, result=result), f"{self._tries}"
        )

    # --- what tasks do ---

    def gate(self, run_id: str) -> None:
        operator = GateOperator(
            task_id="gate", workload=self.workload, on_pass="p", on_inconclusive="i", on_fail="f"
        )  # fmt: skip
        self._attempt(lambda: WorkloadOperator.execute(operator, self._context("gate", run_id)))

    def roll_out(self, run_id: str) -> bool:
        self.rolling[run_id] = self.runs[run_id]
        self.closed.discard(run_id)
        return self._ended(run_id, RolloutOperator(task_id="roll_out", workload=self.workload))

    def watch(self, run_id: str) -> bool:
        self.rolling[run_id] = self.runs[run_id]
        self.closed.discard(run_id)
        went_well = self._ended(run_id, WatchOperator(task_id="watch", workload=self.workload))
        if went_well:
            self.rolling.pop(run_id)
        return went_well

    def _ended(self, run_id: str, operator: Any) -> bool:
        """A refusal, an error or a skip puts back what the ledger calls live: nothing is rolled out afterwards."""
        went_well = self._attempt(lambda: operator.execute(self._context(operator.task_id, run_id)))
        if not went_well:
            self.rolling.pop(run_id)
        return went_well

    def killed(self, run_id: str, kind: str, at: int) -> None:
        """The task's process dies at its ``at``-th order, request or promotion, without a word."""
        child = os.fork()
        if child == 0:
            left = [at]
            for owner, name in ((ProcessTraffic, "_request"), (type(self._server_files), "write_target"),
                                (Ledger, "promote")):  # fmt: skip
                setattr(owner, name, _dying(getattr(owner, name), left))
            try:
                getattr(self, kind)(run_id)
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        self.rolling[run_id] = self.runs[run_id]
        self.closed.discard(run_id)

    def finish(self, run_id: str) -> None:
        states = {"roll_out": "failed", "watch": "failed"} if run_id in self.rolling else {"watch": "skipped"}
        operator = FinishOperator(task_id="finish", workload=self.workload)
        self._attempt(lambda: operator.execute(self._context("finish", run_id, **states)))
        self.rolling.pop(run_id, None)
        self.closed.add(run_id)
        self.server_killed = False

    # --- what people do ---

    def roll_back(self, version: str) -> None:
        if self._attempt(lambda: live_version.roll_back(self.settings, NAME, version, reason="bad", actor="Ada")):
            self.barred.add(version)

    def promote(self, version: str) -> None:
        self._attempt(lambda: live_version.promote(self.settings, NAME, version, reason="good", actor="Ada"))

    def readmit(self, version: str) -> None:
        if self._attempt(lambda: live_version.readmit(self.settings, NAME, version, reason="sorry", actor="Ada")):
            self.barred.discard(version)

    def sweep(self) -> None:
        policy = self.settings.retention().model_copy(update={"attempt_days": 0, "models": 1})
        sweeping = Retention(
            self.settings.store, self.ledger, policy, datetime.now(UTC) + timedelta(days=1),
            served=lambda: [version.uri for version in answering.held(self.settings)],
        )  # fmt: skip
        self._attempt(lambda: sweeping.sweep(apply=True))

    def kill_server(self) -> None:
        pid = self.settings.process_launcher().service_pid(files.join(self._server_files.uri, "process"))
        if pid is not None:
            os.kill(pid, signal.SIGKILL)
            self.server_killed = True
            while (
                self.settings.process_launcher().service_pid(files.join(self._server_files.uri, "process")) is not None
            ):
                time.sleep(0.01)

    # --- what holds ---

    def check(self) -> None:
        """Raises AssertionError where something answers that may not, or what is live does not."""
        answers, default = self._answers()
        found = self.ledger.live_model(NAME)
        live = found.model.version if found else None
        # what was refused before it came to a server begins none; `finish` does
        self.server_killed = self.server_killed and not answers
        if live != self.live:
            self.before, self.live = self.live, live
        # a task that dies between promotion and release leaves the version before loaded, without any share
        standing_by = {self.before} if self.rolling else set()
        told = f"answers {answers}, by default {default}; live {live}; rolling {self.rolling}; barred {self.barred}"
        assert not {*answers, default} & self.barred, told
        assert {*answers} <= {live, *self.rolling.values(), *standing_by}, told
        assert default in {live, None, *self.rolling.values()}, told
        if not self.rolling and not self.server_killed:
            assert (default, answers) == (live, [live] if live else []), told
        if live is not None:
            assert (self.home / "store" / "models" / NAME / live / "manifest.json").exists(), told

    def _answers(self) -> tuple[list[str], str | None]:
        deadline = time.monotonic() + 60
        while (answers := ProcessServers(self.settings).answering(NAME)) is None:
            assert time.monotonic() < deadline, "the server does not begin"
            time.sleep(0.02)
        if not answers:
            return [], None
        with InferenceClient(self._server_files.address or "", NAME) as client:
            try:
                return answers, client.infer([_ROW]).model_version
            except RequestFailedError as error:
                if error.is_out_of_reach:
                    return answers, None
                raise

    @property
    def _server_files(self) -> Any:
        return self.settings.server_files(NAME)

    def _attempt(self, do: Callable[[], object]) -> bool:
        try:
            do()
        except (AirflowException, StepError) as error:
            self.said.append(f"    {str(error).splitlines()[0]}")
            return False
        return True

    def _context(self, name: str, run_id: str, **states: str) -> Any:
        self._tries += 1
        instance = SimpleNamespace(
            id=f"{self._tries}", task_id=name, try_number=self._tries, map_index=-1,
            get_task_states=lambda **_: {run_id: states},
        )  # fmt: skip
        dag_run = SimpleNamespace(
            dag_id=NAME, run_id=run_id, run_type=SimpleNamespace(value="manual"),
            data_interval_start=datetime(2026, 3, 3, tzinfo=UTC), run_after=datetime(2026, 3, 4, tzinfo=UTC),
        )  # fmt: skip
        params = {"epochs": 1, "batch_size": 8, "learning_rate": 0.1}
        return {"ti": instance, "dag_run": dag_run, "params": params}


def _dying(does: Callable[..., Any], left: list[int]) -> Callable[..., Any]:
    def step(*given: Any, **named: Any) -> Any:
        left[0] -= 1
        if left[0] == 0:
            os._exit(9)
        done = does(*given, **named)
        left[0] -= 1
        if left[0] == 0:
            os._exit(9)
        return done

    return step


def _plan(day: date) -> Plan:
    whole = Quantity(p50=1, p90=2)
    hardware = Hardware(
        name="h", cores=1, gflops_per_core=1, idle_watts_per_core=1, active_watts_per_core=1, memory_bytes=1
    )
    return Plan(
        made_at=datetime.now(UTC), model_parameters=1, forward_flops_per_row=1, training_flops=1, train_rows=1,
        dataset=DatasetVersion(workload=NAME, uri="file:///d", version=1, until=day), seconds_by_step={},
        seconds=whole, peak_memory_bytes=whole, joules=whole, hardware=hardware, bottleneck="compute",
        sha256="0" * 64,
    )  # fmt: skip
