"""A store that commit 88ba4e7 made is read, served and swept."""

import os
import random
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from deltalake import DeltaTable

from millrace.contracts.errors import RefusedError
from millrace.contracts.model import ModelManifest
from millrace.orchestration.backfill import imagined_run
from millrace.orchestration.servers import answering, live_version, model_server
from millrace.runs import attempt_folders
from millrace.runs.retention import Retention
from millrace.runs.run import run_folder_uri
from millrace.settings import Settings, load_settings
from millrace.storage import folders
from tests.unit.upgrade import old_release
from tests.unit.upgrade.old_release import DAG, LIVE, RETIRED


@pytest.fixture
def settings(tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """A home with the old ledger, migrated, and the old store; its server's port is free here."""
    old_release.unpack(tmp_path)
    port = free_port()
    status = tmp_path / f"store/serving/{DAG}/status.json"
    status.write_text(status.read_text().replace(f":{old_release.SERVER_PORT}", f":{port + 1}"))
    dags = tmp_path / "dags"
    dags.mkdir()
    (dags / f"{DAG}.py").write_bytes((repository / f"tests/e2e/dags/{DAG}.py").read_bytes())
    monkeypatch.setenv("MILLRACE_HOME", str(tmp_path))
    monkeypatch.setenv("MILLRACE_SERVING_PORT", str(port))
    monkeypatch.setenv("AIRFLOW__CORE__DAGS_FOLDER", str(dags))
    load_settings.cache_clear()
    settings = load_settings()
    settings.ledger().migrate()
    yield settings
    settings.process_launcher().stop_service(f"{settings.server_files(DAG).uri}/process")
    load_settings.cache_clear()


@pytest.fixture
def command(repository: Path) -> Callable[..., str]:
    """Runs a command as a user does; returns what it prints."""

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "millrace", *arguments],
            env={**os.environ, "PYTHONPATH": str(repository / "plugins")}, cwd=repository,
            capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


def free_port() -> int:
    """A port with a free one behind it, below those of outgoing connections."""
    while True:
        port = random.randrange(20_000, 30_000, 4)
        with socket.socket() as first, socket.socket() as second:
            try:
                first.bind(("127.0.0.1", port))
                second.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            return port


def answer_of(address: str) -> dict[str, Any]:
    """What the model server answers to two rows."""
    rows = {"temperature": [40.0, 80.0], "vibration": [1.0, 5.0], "load": [0.5, 0.5]}
    tensors = [{"name": name, "shape": [2], "datatype": "FP64", "data": data} for name, data in rows.items()]
    answer = httpx.post(f"{address}/v2/models/{DAG}/infer", json={"inputs": tensors}, timeout=30)
    answer.raise_for_status()
    return dict(answer.json())


def test_specs_models_and_data_are_opened(settings: Settings) -> None:
    ledger = settings.ledger()
    specs = [
        spec
        for row in ledger.run_summary()
        for spec in attempt_folders.specs_of(run_folder_uri(settings.store, DAG, row["run_id"]), row["repeat"])
    ]
    assert {spec.task.kind for spec in specs} == {"ingest", "validate", "train", "export", "evaluate"}
    assert all(spec.worker_group is None for spec in specs)
    live = ledger.live_model(DAG)
    for model in (live.model, ledger.model(DAG, RETIRED).model):
        manifest = folders.open_sealed(model.uri, model.manifest_sha256, ModelManifest)
        assert manifest.labels == ("well", "worn", "broken")
    assert len(DeltaTable(live.dataset.uri, version=live.dataset.version).to_pyarrow_table()) == 1800


def test_the_live_version_is_served_again_at_its_address(settings: Settings, command: Callable[..., str]) -> None:
    assert "is not up" in str(model_server.serving(settings)[0])
    assert answering.is_divergent(settings, DAG)
    server_files = settings.server_files(DAG)
    with pytest.raises(RefusedError, match="resume-servers"):
        server_files.read_target()

    address = f"http://127.0.0.1:{settings.serving_port + 1}"
    assert command("resume-servers").endswith(f"model server of {DAG}: {address} serves version {LIVE}\n")

    answer = answer_of(address)
    assert answer["model_version"] == LIVE
    labels = next(output["data"] for output in answer["outputs"] if output["name"] == "labels")
    assert ["well" in labels[0], "broken" in labels[1]] == [True, True]
    assert not answering.is_divergent(settings, DAG)
    assert address in command("ledger", "runs")
    assert command("resume-servers") == "", "a server that runs is left alone"

    # an upgrade does not close the way back
    assert live_version.roll_back(settings, DAG, LIVE, reason="it errs", actor="Ada") == RETIRED
    assert answer_of(address)["model_version"] == RETIRED


def test_a_rollout_replaces_the_old_server_by_itself(settings: Settings) -> None:
    run = imagined_run(DAG, Path(os.environ["AIRFLOW__CORE__DAGS_FOLDER"]), "{}", settings.store)
    server_files = model_server.ensure_server(run, settings)
    target = server_files.read_target()
    assert target.stable.version == LIVE
    status = server_files.wait_for(
        lambda status: status.generation >= target.generation and status.state == "ready", "the live version", 60
    )
    assert status.stable.version == LIVE


def test_the_sweep_keeps_what_is_live(settings: Settings) -> None:
    live = settings.ledger().live_model(DAG)
    swept = settings.model_copy(
        update={"retention_attempt_days": 0.0, "retention_models": 0, "retention_table_hours": 0.0}
    )
    gone = Retention.of(swept, answering.held).sweep(apply=True)
    assert [each.uri.rpartition("/")[2] for each in gone if each.kind == "model"] == [RETIRED]
    assert "attempt" in {each.kind for each in gone}
    folders.open_sealed(live.model.uri, live.model.manifest_sha256, ModelManifest)
    assert len(DeltaTable(live.dataset.uri, version=live.dataset.version).to_pyarrow_table()) == 1800


def test_commands_of_the_ledger_read_it(settings: Settings, command: Callable[..., str]) -> None:
    assert "train" in command("ledger", "energy", DAG, old_release.SECOND_RUN)
    assert command("ledger", "audit") == ""
    assert command("sweep").endswith("may go: say --apply\n")
