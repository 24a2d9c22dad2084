"""However a rollout or its watch ends, the server is told to serve what the ledger calls live, and nothing else."""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException

from millrace.contracts.data import DatasetVersion
from millrace.contracts.errors import TransientError
from millrace.contracts.measurement import Hardware, MeterReading, Quantity
from millrace.contracts.model import ModelVersion
from millrace.contracts.plan import Plan
from millrace.contracts.report import EvaluateResult, ExportResult, Quality, Report, Result, ServingCost
from millrace.contracts.run_spec import TryKey
from millrace.contracts.serving import Verdict
from millrace.contracts.workload import Workload
from millrace.ledger.ledger import Ledger
from millrace.ledger.records import Actor, RunKey
from millrace.orchestration.operators.finish import FinishOperator
from millrace.orchestration.operators.rollout import RolloutOperator
from millrace.orchestration.operators.watch import WatchOperator
from millrace.orchestration.servers import model_server
from millrace.orchestration.servers.candidate import Candidate
from millrace.orchestration.servers.process_servers import ProcessServers
from millrace.serving.server_files import ServerFiles
from millrace.serving.traffic import RolloutRevertedError, ServerLostError
from millrace.settings import Settings, load_settings

DAY = date(2026, 3, 3)
ADA = Actor("Ada in Airflow's UI")
REVERTED = RolloutRevertedError("p99 doubled", where="here")
LOST = ServerLostError("a request failed: connection refused", where="here")
TIMEOUT = TransientError("no status in time", where="here", rule="", remedy="")


class Server:
    """Does in its server files what Rollout orders, and fails where a test says so."""

    def __init__(self, server_files: ServerFiles, workload: Workload) -> None:
        self.server_files, self.policy = server_files, workload.serving
        self.fails: dict[str, Exception] = {}
        self.told: list[str] = []
        self.ends = 0

    def rollout(self, candidate: ModelVersion, stable: ModelVersion | None) -> Any:
        def does(name: str, order: Callable[[], object]) -> Callable[[], Any]:
            def step() -> Any:
                self.told.append(name)
                order()
                if name in self.fails:
                    raise self.fails[name]

            return step

        both = (candidate, None, 0) if stable in (None, candidate) else (stable, candidate, 100)
        write = lambda *order: self.server_files.write_target(self.policy, *order)  # noqa: E731
        return SimpleNamespace(
            address="http://here",
            advance=does("advance", lambda: write(*both)),
            watch=does("watch", lambda: write(*both)),
            finish=does("finish", lambda: write(candidate)),
        )

    def serves(self) -> str | None:
        target = self.server_files.read_target()
        if target is None:
            return None
        return target.stable.version if target.canary is None else f"{target.stable.version}+{target.canary.version}"


class Site:
    """A workload with its ledger, its server's server files, and versions that runs made."""

    def __init__(self, workload: Workload, monkeypatch: pytest.MonkeyPatch) -> None:
        self.workload, self.settings = workload, load_settings()
        self.ledger: Ledger = self.settings.ledger()
        self.server = Server(self.settings.server_files(workload.name), workload)
        monkeypatch.setattr(ProcessServers, "begin", lambda *_: None)
        monkeypatch.setattr("millrace.orchestration.operators.workload.reach_stores", lambda _: None)
        monkeypatch.setattr(model_server, "resume_servers", lambda *_: [])
        launcher = SimpleNamespace(stop_service=self._stop)
        monkeypatch.setattr(Settings, "process_launcher", lambda _: launcher)
        ours = lambda candidate: self.server.rollout(candidate.model, self.live_model())  # noqa: E731
        monkeypatch.setattr(Candidate, "rollout", ours)

    def _stop(self, state_uri: str) -> None:
        self.server.ends += 1

    def live_model(self) -> ModelVersion | None:
        found = self.ledger.live_model("flowers")
        return found.model if found else None

    def live(self) -> str | None:
        found = self.live_model()
        return found.version if found else None

    def made(self, version: str, run_id: str = "", until: date = DAY) -> str:
        """A run that has come as far as its gate, which let the version through."""
        run_id = run_id or f"run-{version}"
        repeat = self.ledger.open_run(
            "flowers", run_id, workload="flowers", team="t", site="local", partition_first=DAY, partition_last=DAY,
            run_type="manual",
        )  # fmt: skip
        model = ModelVersion(workload="flowers", version=version, uri=f"file:///m/{version}", manifest_sha256="0" * 64)
        dataset = DatasetVersion(workload="flowers", uri="file:///d", version=1, until=until)
        self.ledger.store_plan("flowers", run_id, repeat, plan(dataset))
        cost = ServingCost(
            requests=1, p50_latency_seconds=1, p99_latency_seconds=1, joules_per_request=None, energy_method=None,
            peak_memory_bytes=1,
        )  # fmt: skip
        quality = Quality(model=model, rows=1, micro_f1=1, macro_f1=1, calibration_error=0, labels=(), serving=cost)
        results: dict[str, Result] = {
            "export": ExportResult(model=model, export_error=0, export_tolerance=1, bytes=1),
            "evaluate": EvaluateResult(candidate=quality, live=None, baseline=None, replay_uri="file:///r"),
        }
        for task, result in results.items():
            meter = MeterReading(started_at=datetime.now(UTC), wall_seconds=1, cpu_seconds=1)
            key = TryKey(dag_id="flowers", run_id=run_id, repeat=repeat, task_id=task, try_number=repeat + 1)
            report = Report(outcome="ok", reason="done", meter=meter, result=result)
            self.ledger.commit_report(key, report, f"{task}{repeat}")
        self.ledger.record_verdict("flowers", run_id, repeat, Verdict(outcome="pass", reasons=("r",)))
        return run_id

    def task(self, kind: type[Any], name: str, run_id: str, number: int = 1, **states: str) -> Any:
        instance = SimpleNamespace(
            id=f"{run_id}-{name}-{number}", task_id=name, try_number=number, map_index=-1,
            get_task_states=lambda **_: {run_id: states},
        )  # fmt: skip
        dag_run = SimpleNamespace(
            dag_id="flowers", run_id=run_id, run_type=SimpleNamespace(value="manual"),
            data_interval_start=datetime(2026, 3, 3, tzinfo=UTC), run_after=datetime(2026, 3, 4, tzinfo=UTC),
        )  # fmt: skip
        params = {"epochs": 1, "batch_size": 8, "learning_rate": 0.1}
        context: Any = {"ti": instance, "dag_run": dag_run, "params": params}
        return kind(task_id=name, workload=self.workload).execute(context)

    def roll_out(self, run_id: str, number: int = 1) -> Any:
        return self.task(RolloutOperator, "roll_out", run_id, number)

    def watch(self, run_id: str, number: int = 1) -> Any:
        return self.task(WatchOperator, "watch", run_id, number)

    def roll_out_and_watch(self, run_id: str) -> None:
        self.roll_out(run_id)
        self.watch(run_id)

    def go_live(self, version: str) -> None:
        run_id = self.made(version)
        self.roll_out(run_id)
        self.watch(run_id)
        self.ledger.close_run("flowers", run_id, 0, state="success", reason="live")


def plan(dataset: DatasetVersion) -> Plan:
    whole = Quantity(p50=1, p90=2)
    hardware = Hardware(
        name="h", cores=1, gflops_per_core=1, idle_watts_per_core=1, active_watts_per_core=1, memory_bytes=1
    )
    return Plan(
        made_at=datetime.now(UTC), model_parameters=1, forward_flops_per_row=1, training_flops=1, train_rows=1,
        dataset=dataset, seconds_by_step={}, seconds=whole, peak_memory_bytes=whole, joules=whole, hardware=hardware,
        bottleneck="compute", sha256="0" * 64,
    )  # fmt: skip


@pytest.fixture
def site(workload: Workload, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("MILLRACE_HOME", str(tmp_path))
    load_settings.cache_clear()
    load_settings().ledger().migrate()
    yield Site(workload, monkeypatch)
    load_settings.cache_clear()


@pytest.mark.parametrize("before", [None, "v1"])
@pytest.mark.parametrize(
    ("step", "error", "raised", "state"),
    [
        ("advance", REVERTED, AirflowFailException, "rejected"),
        ("watch", REVERTED, AirflowFailException, "rejected"),
        ("advance", LOST, AirflowException, "candidate"),
        ("watch", LOST, AirflowException, "candidate"),
        ("watch", TIMEOUT, AirflowException, "candidate"),
    ],
)
def test_after_an_error_what_the_ledger_calls_live_answers(
    site: Site, before: str | None, step: str, error: Exception, raised: type[Exception], state: str
) -> None:
    if before:
        site.go_live(before)
    run_id = site.made("v2")
    site.server.fails[step] = error
    with pytest.raises(AirflowException) as caught:
        site.roll_out_and_watch(run_id)
    assert type(caught.value) is raised  # a server that was lost is tried again, a verdict is not
    found = site.ledger.model("flowers", "v2")
    assert found
    assert found.state == state
    assert site.server.serves() == site.live() == before
    assert site.server.ends == (0 if before else 1)
    if state == "candidate":
        site.server.fails.clear()
        site.roll_out(run_id, number=2)
        site.watch(run_id, number=2)
        assert site.server.serves() == site.live() == "v2"


def test_a_promotion_that_is_refused_leaves_nothing_served_that_is_not_live(site: Site) -> None:
    site.go_live("v1")
    run_id = site.made("v2")
    site.roll_out(run_id)
    site.ledger.revert("flowers", "v2", "seen in the canary", by=ADA)  # while it is watched
    with pytest.raises(AirflowFailException, match="rolled back by Ada"):
        site.watch(run_id)
    assert "finish" not in site.server.told[-1:]
    assert site.server.serves() == site.live() == "v1"


def test_a_version_that_a_person_took_back_gets_no_share(site: Site) -> None:
    site.go_live("v1")
    site.ledger.revert("flowers", "v1", "it insults people", by=ADA)
    again = site.made("v1", run_id="again")
    told = len(site.server.told)
    with pytest.raises(AirflowFailException, match=r"(?s)by Ada in Airflow's UI .* it insults people.*readmits"):
        site.roll_out(again)
    assert site.server.told[told:] == []
    site.ledger.readmit("flowers", "v1", "it was the client", by=ADA)
    site.roll_out(again, number=2)
    site.watch(again)
    assert site.server.serves() == site.live() == "v1"


def test_a_version_that_another_run_rejected_is_judged_by_this_one(site: Site) -> None:
    run_id = site.made("v1")
    site.ledger.reject("flowers", "v1", "floor", by=Actor.of(RunKey("flowers", "strict", 0)))
    site.roll_out(run_id)
    site.watch(run_id)
    assert site.live() == "v1"


def test_a_run_does_not_roll_out_what_its_own_gate_failed_or_its_canary_reverted(site: Site) -> None:
    run_id = site.made("v1")
    site.server.fails["advance"] = REVERTED
    with pytest.raises(AirflowFailException):
        site.roll_out(run_id)
    site.server.fails.clear()
    with pytest.raises(AirflowFailException, match="this run has turned the version down: p99 doubled"):
        site.roll_out(run_id, number=2)
    site.ledger.close_run("flowers", run_id, 0, state="rolled_back", reason="p99 doubled")
    repeat = site.ledger.open_run(
        "flowers", run_id, workload="flowers", team="t", site="local", partition_first=DAY, partition_last=DAY,
        run_type="manual",
    )  # fmt: skip
    site.ledger.record_verdict("flowers", run_id, repeat, Verdict(outcome="fail", reasons=("below the floor",)))
    with pytest.raises(AirflowFailException, match="the gate failed this candidate: below the floor"):
        site.roll_out(run_id, number=3)
    site.ledger.record_verdict("flowers", run_id, repeat, Verdict(outcome="pass", reasons=("r",)))
    site.roll_out(run_id, number=4)
    site.watch(run_id, number=4)
    assert site.server.serves() == site.live() == "v1"


def test_a_task_killed_between_promotion_and_release_is_gone_on_with(site: Site) -> None:
    site.go_live("v1")
    run_id = site.made("v2")
    site.roll_out(run_id)
    site.server.fails["finish"] = TIMEOUT
    with pytest.raises(AirflowException):
        site.watch(run_id)
    assert site.server.serves() == site.live() == "v2"  # the ledger had said so
    site.server.fails.clear()
    site.watch(run_id, number=2)
    assert site.server.told[-1] == "finish"
    assert site.server.told.count("watch") == 2  # of v1 and of v2: what is live is watched no more


@pytest.mark.parametrize("before", [None, "v1"])
def test_close_ends_what_a_killed_task_left(site: Site, before: str | None) -> None:
    if before:
        site.go_live(before)
    run_id = site.made("v2")
    site.roll_out(run_id)  # and its watch was killed without a word
    assert site.server.serves() == ("v1+v2" if before else "v2")
    with pytest.raises(AirflowFailException, match="rolled_back"):
        site.task(FinishOperator, "finish", run_id, roll_out="success", watch="failed")
    assert site.server.serves() == site.live() == before


def test_close_leaves_another_runs_rollout_alone(site: Site) -> None:
    site.go_live("v1")
    failed = site.made("v2")
    other = site.made("v3")
    site.roll_out(other)
    with pytest.raises(AirflowFailException):
        site.task(FinishOperator, "finish", failed, roll_out="failed")
    assert site.server.serves() == "v1+v3"


@pytest.mark.parametrize("before", [None, "v1"])
def test_what_is_refused_at_its_beginning_keeps_nothing_that_an_earlier_try_gave_it(
    site: Site, before: str | None
) -> None:
    if before:
        site.go_live(before)
    run_id = site.made("v2")
    site.roll_out(run_id)
    site.ledger.record_verdict("flowers", run_id, 0, Verdict(outcome="fail", reasons=("below the floor",)))
    with pytest.raises(AirflowFailException, match="the gate failed this candidate"):
        site.roll_out(run_id, number=2)
    assert site.server.serves() == site.live() == before


def test_what_is_refused_at_its_beginning_leaves_another_runs_rollout_alone(site: Site) -> None:
    site.go_live("v1")
    run_id = site.made("v2")
    site.ledger.record_verdict("flowers", run_id, 0, Verdict(outcome="fail", reasons=("below the floor",)))
    site.roll_out(site.made("v3"))
    with pytest.raises(AirflowFailException, match="the gate failed this candidate"):
        site.roll_out(run_id)
    assert site.server.serves() == "v1+v3"


def test_newer_data_is_not_replaced(site: Site) -> None:
    site.go_live("v2")
    older = site.made("v1", until=date(2026, 3, 1))
    with pytest.raises(AirflowSkipException, match="superseded: version v2, live, was trained on newer data"):
        site.roll_out(older)
    assert site.server.serves() == site.live() == "v2"
    told = site.ledger.audit()[0]
    assert (told["action"], told["outcome"], told["subject"]) == ("promote", "refused", "v1")
