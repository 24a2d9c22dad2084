"""A server follows what Airflow signed for its place, and tells how it is whatever the clock does."""

import base64
import os
import subprocess
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from millrace.contracts.serving import ServingStatus
from millrace.contracts.workload import ServingPolicy
from millrace.storage import files
from millrace.storage.signature import SigningKey
from millrace_serve import reconciler as reconciler_module
from millrace_serve.reconciler import Reconciler
from millrace_serve.switch import Switch
from tests.images.serve.conftest import ModelStore, Server, StartServer


@pytest.fixture(scope="module")
def server(start_server: StartServer) -> Any:
    return start_server()


@pytest.mark.parametrize("wrong", ["garbage", "unsigned", "another key", "another place", "changed", "older", "other"])
def test_a_target_that_is_none_is_not_followed(server: Server, store: ModelStore, wrong: str) -> None:
    server.order(store.tabular("old"))
    server_files, target = server.server_files, server.server_files.read_target()
    newer = target.model_copy(
        update={"generation": 999_999, "stable": store.tabular("forged"),
                "policy": target.policy.model_copy(update={"max_rows": 4096})}
    )  # fmt: skip
    signed = server_files.key.signed(server_files.target_uri, newer)
    stranger = SigningKey.of(base64.b64encode(b"x" * 32).decode())
    data = {
        "garbage": b"{",
        "unsigned": newer.model_dump_json().encode(),
        "another key": stranger.signed(server_files.target_uri, newer),
        "another place": server_files.key.signed(server_files.spec_uri, newer),
        "changed": signed.replace(b"999999", b"999998"),
        "older": server_files.key.signed(server_files.target_uri, target.model_copy(update={"generation": 1})),
        "other": server_files.key.signed(server_files.target_uri, newer.model_copy(update={"workload": "shapes"})),
    }[wrong]
    files.write_bytes(server_files.target_uri, data)
    server_files.wait_for(lambda status: status.reason != "", "the complaint", 30)
    assert server.infer([(1.0, 0.0)]).json()["model_version"] == "old"
    assert server.infer([(1.0, 0.0)] * (target.policy.max_rows + 1)).status_code == 413
    files.write_bytes(server_files.target_uri, server_files.key.signed(server_files.target_uri, target))
    assert server.order(target.stable).reason == ""


def test_a_server_begins_with_no_spec_that_was_not_signed(start_server: StartServer, store: ModelStore) -> None:
    first = start_server()
    first.stop()
    spec = first.server_files.read_spec()
    files.write_bytes(first.server_files.spec_uri, spec.model_dump_json().encode())
    command = [
        sys.executable,
        "-m",
        "millrace_serve",
        "--spec",
        first.server_files.spec_uri,
        "--verify-key",
        first.server_files.key.public,
    ]
    path = os.pathsep.join(path for path in sys.path if path)
    ended = subprocess.run(command, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=False)
    assert ended.returncode == 40
    assert "no valid signature for its URI" in ended.stdout


@pytest.mark.parametrize("step", [-3600.0, 5.0, 86400.0])
def test_the_status_goes_on_when_the_clock_is_set(
    store: ModelStore, tmp_path: Path, step: float, monkeypatch: Any
) -> None:
    said: list[ServingStatus] = []
    orders = Reconciler(
        Switch(ServingPolicy()), "colours", (tmp_path / "t").as_uri(), (tmp_path / "s").as_uri(), "", ""
    )
    monkeypatch.setattr(orders, "_write", said.append)
    real, shift = datetime, [0.0]

    class Clock(datetime):
        @classmethod
        def now(cls, zone: Any = None) -> Any:
            return real.now(zone) + timedelta(seconds=shift[0])

    monkeypatch.setattr(reconciler_module, "datetime", Clock)
    orders.start()
    try:
        while not said:
            time.sleep(0.05)
        shift[0], count = step, len(said)
        deadline = time.monotonic() + 30
        while len(said) < count + 2:
            assert time.monotonic() < deadline, "the status froze"
            time.sleep(0.05)
    finally:
        orders.stop()
    assert [status.sequence for status in said] == sorted({status.sequence for status in said})
