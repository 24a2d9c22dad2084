"""What works for a task that was ended in Airflow is ended and booked, by whoever is asked to."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from millrace import settings
from millrace.contracts.errors import RefusedError
from millrace.contracts.measurement import MeterReading
from millrace.contracts.run_spec import METER_FILE, SPEC_FILE, RunSpec
from millrace.ledger.ledger import Ledger
from millrace.orchestration import listeners
from millrace.runs import stop_request, stopping
from millrace.runs.run import run_folder_uri
from millrace.storage import files

METER = MeterReading(
    started_at=datetime(2026, 1, 2, tzinfo=UTC), wall_seconds=5, cpu_seconds=5, joules=3.0, energy_method="estimated"
)


class Site:
    """A store with a try whose process works, and its ledger."""

    def __init__(self, home: Path, spec: RunSpec) -> None:
        self.home = home
        self.folder_uri = run_folder_uri(files.to_uri(home / "store"), spec.key.dag_id, spec.key.run_id)
        step = files.join(self.folder_uri, spec.key.task_id)
        uris = {"attempt_uri": files.join(step, "try-1"), "state_uri": files.join(step, "state-0")}
        self.spec = spec.model_copy(update=uris)
        self.spec_uri = files.join(self.spec.attempt_uri, SPEC_FILE)
        files.write_bytes(self.spec_uri, self.spec.document)
        files.write_bytes(files.join(self.spec.attempt_uri, METER_FILE), METER.model_dump_json().encode())
        self.ledger = Ledger(f"sqlite:///{home / 'ledger.db'}")
        self.ledger.migrate()
        day = date(2026, 1, 1)
        self.ledger.open_run(
            spec.key.dag_id, spec.key.run_id, workload="flowers", team="tests", site="local", partition_first=day,
            partition_last=day, run_type="manual",
        )  # fmt: skip
        command = [sys.executable, "-c", "import time; time.sleep(600)", "--spec", self.spec_uri]
        self.process = subprocess.Popen(command, start_new_session=True)

    def booked(self) -> list[tuple[str, float | None, str]]:
        key = self.spec.key
        rows = self.ledger.tries(key.dag_id, key.run_id, key.repeat)
        return [(row["outcome"], row["joules"], row["reason"]) for row in rows]


@pytest.fixture
def site(spec: RunSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("MILLRACE_HOME", str(tmp_path))
    settings.load_settings.cache_clear()
    site = Site(tmp_path, spec)
    yield site
    site.process.kill()
    site.process.wait()
    settings.load_settings.cache_clear()


BOOKED = [("lost", 3.0, "marked; it left no report")]


def test_a_try_is_ended_and_booked_once(site: Site) -> None:
    for _ in range(2):
        stopping.main(["try", site.spec_uri, site.spec.sha256, "marked"])
    site.process.wait(10)
    assert site.booked() == BOOKED


@pytest.mark.parametrize("what", ["try", "deleted"])
def test_a_try_whose_order_was_changed_is_ended_and_the_order_says_nothing_about_others(site: Site, what: str) -> None:
    other = site.spec.key.model_copy(update={"run_id": "another"})
    files.write_bytes(site.spec_uri, site.spec.model_copy(update={"key": other}).document)
    with pytest.raises(RefusedError, match="changed after it was written"):
        stopping.main([what, site.spec_uri, site.spec.sha256, *(["marked"] if what == "try" else [])])
    site.process.wait(10)
    assert site.booked() == []
    (row,) = site.ledger.run_summary()
    assert row["state"] == "running"


@pytest.mark.parametrize(
    ("task", "index", "ends"), [("ingest", "-1", True), ("train", "-1", False), ("ingest", "1", False)]
)
def test_a_task_is_ended_with_its_own_tries(site: Site, task: str, index: str, ends: bool) -> None:
    stopping.main(["task", site.folder_uri, "0", task, index, "marked"])
    assert (site.process.poll() is not None) == ends
    assert site.booked() == (BOOKED if ends else [])


def test_a_run_is_ended_with_all_of_its_repeats_tries(site: Site) -> None:
    stopping.main(["run", site.folder_uri, "1", "marked"])
    assert site.process.poll() is None
    stopping.main(["run", site.folder_uri, "0", "marked"])
    site.process.wait(10)
    assert site.booked() == BOOKED


def test_a_run_that_airflow_has_forgotten_ends_and_is_closed(site: Site) -> None:
    stopping.main(["deleted", site.spec_uri, site.spec.sha256])
    site.process.wait(10)
    assert [joules for _, joules, _ in site.booked()] == [3.0]
    (row,) = site.ledger.run_summary()
    assert (row["state"], row["reason"]) == ("failed", "its run was deleted in Airflow")


def test_whoever_asks_need_not_wait_and_may_end(site: Site) -> None:
    code = (
        "import sys; from millrace.settings import load_settings; from millrace.runs.stop_request import stop_try; "
        "stop_try(sys.argv[1], sys.argv[2], 'marked', load_settings())"
    )
    # as Airflow hides its database from a task
    hidden = os.environ | {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "airflow-db-not-allowed:///"}
    subprocess.run([sys.executable, "-c", code, site.spec_uri, site.spec.sha256], check=True, timeout=60, env=hidden)
    site.process.wait(60)
    deadline = time.monotonic() + 60
    while site.booked() != BOOKED:
        assert time.monotonic() < deadline, (site.home / stop_request.LOG_FILE).read_text()
        time.sleep(0.1)


class Marked(SimpleNamespace):
    """A task instance as Airflow's database has it; one in its own process is of another class."""


def marked(site: Site, state: str | None) -> Marked:
    key = site.spec.key
    return Marked(dag_id=key.dag_id, run_id=key.run_id, task_id=key.task_id, map_index=-1, state=state)


def test_a_task_that_a_person_ends_is_stopped_and_one_that_is_tried_again_is_not(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    monkeypatch.setitem(sys.modules, "airflow.models.taskinstance", SimpleNamespace(TaskInstance=Marked))
    monkeypatch.setattr(listeners, "stop_task", lambda *given: asked.append(given[:4]))
    for state in ("up_for_retry", "running", None):
        listeners.on_task_instance_failed(marked(site, state))
    listeners.on_task_instance_success(SimpleNamespace(state="success", dag_id="flowers", run_id="manual__1"))
    assert not asked, "a task that ends by itself has nothing at work"
    for state, hook in (
        ("success", listeners.on_task_instance_success),
        ("failed", listeners.on_task_instance_failed),
        ("skipped", listeners.on_task_instance_skipped),
    ):
        hook(marked(site, state))
    assert asked == [(site.folder_uri, 0, "ingest", -1)] * 3
