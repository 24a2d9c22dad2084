"""The orchestrator's rollout against a real server."""

import threading
import time
from typing import Any

import pytest

from millrace.contracts.errors import BadInputError, RefusedError
from millrace.contracts.workload import ServingPolicy
from millrace.serving.client import InferenceClient, RequestFailedError, read_replay
from millrace.serving.server_files import ServingTimeoutError
from millrace.serving.traffic import RolloutRevertedError
from millrace.storage import files
from tests.images.serve.conftest import ModelStore, Server, StartServer, rollout_of

POLICY = ServingPolicy(watch_seconds=1.5, requests_per_step=20)
ROWS = [{"a": 1.0, "b": 0.0}, {"a": 0.0, "b": 2.0}]
TRIGGER = [{"a": 5000.0, "b": 0.0}]


@pytest.fixture(scope="module")
def server(start_server: StartServer) -> Any:
    return start_server(POLICY)


def target_of(server: Server) -> tuple[str, str | None, int]:
    target = server.server_files.read_target()
    return target.stable.version, target.canary.version if target.canary else None, target.canary_percent


def test_first_version_then_a_second_one(start_server: StartServer, store: ModelStore) -> None:
    server = start_server(POLICY)
    first, second = store.tabular("first"), store.tabular("second", weight=4.0)
    said: list[str] = []
    rollout = rollout_of(server.server_files, POLICY, first, None, ROWS, said.append)
    assert rollout.advance() is None
    rollout.watch()
    status = server.server_files.read_status()
    assert (status.stable.version, status.stable.errors, rollout.address) == ("first", 0, server.address)
    assert target_of(server) == ("first", None, 0)

    said.clear()
    rollout = rollout_of(server.server_files, POLICY, second, first, ROWS, said.append)
    rollout.advance()
    status = server.server_files.read_status()
    assert (status.state, status.canary.version, target_of(server)) == ("ready", "second", ("first", "second", 100))
    with InferenceClient(server.address, "colours") as client:
        assert client.infer(ROWS).model_version == "second"
        assert client.infer(ROWS, "first").model_version == "first"  # stands by during the watch
    rollout.watch()
    status = server.server_files.read_status()
    assert (status.state, target_of(server)) == ("ready", ("first", "second", 100))  # the ledger comes first
    rollout.finish()
    status = server.server_files.read_status()
    assert (status.stable.version, status.canary, target_of(server)) == ("second", None, ("second", None, 0))
    assert [line.split(" ")[0] for line in said if "%: pass: first " in line] == ["10", "50", "100"]

    generation = server.server_files.read_target().generation
    again = rollout_of(server.server_files, POLICY, second, second, ROWS)  # the task is tried again after it had ended
    again.watch()
    again.finish()
    assert server.server_files.read_status().stable.version == "second"
    assert server.server_files.read_target().generation == generation


def test_a_candidate_that_errs_is_reverted_and_the_stable_version_stays(server: Server, store: ModelStore) -> None:
    old, new = store.tabular("old"), store.tabular("new", fault="errs")
    server.order(old)
    with pytest.raises(RolloutRevertedError, match="failed with") as caught:
        rollout_of(server.server_files, POLICY, new, old, TRIGGER).advance()
    assert isinstance(caught.value, RefusedError)  # never retried
    assert target_of(server) == ("old", None, 0)
    assert server.infer([(1.0, 0.0)]).json()["model_version"] == "old"


def test_a_candidate_that_slows_is_reverted_at_a_step(server: Server, store: ModelStore) -> None:
    old, new = store.tabular("old"), store.tabular("new", fault="slow", rounds=4 * store.tenth)
    server.order(old)
    with pytest.raises(RolloutRevertedError, match=r"p99 latency|erred"):
        rollout_of(server.server_files, POLICY, new, old, TRIGGER).advance()
    assert target_of(server) == ("old", None, 0)


def test_a_candidate_that_goes_bad_during_the_watch_is_reverted(server: Server, store: ModelStore) -> None:
    old, new = store.tabular("old"), store.tabular("new", fault="errs")
    server.order(old)
    policy = POLICY.model_copy(update={"watch_seconds": 60.0})
    rollout_of(server.server_files, policy, new, old, ROWS).advance()
    with pytest.raises(RolloutRevertedError, match=r"version new: .*erred|errors in a row"):
        rollout_of(server.server_files, policy, new, old, [*ROWS, *TRIGGER]).watch()
    assert target_of(server) == ("old", None, 0)
    status = server.server_files.wait_for(lambda status: status.state == "ready", "the stable version alone", 30)
    assert (status.stable.version, status.canary) == ("old", None)


def test_a_candidate_that_cannot_be_loaded_is_reverted_with_the_reason(server: Server, store: ModelStore) -> None:
    old, new = store.tabular("old"), store.tabular("new")
    server.order(old)
    (files.local_path(new.uri) / "model.onnx").write_bytes(b"changed")
    with pytest.raises(RolloutRevertedError, match="a file is missing or was changed"):
        rollout_of(server.server_files, POLICY, new, old, ROWS).advance()
    assert target_of(server) == ("old", None, 0)


def test_an_interrupted_rollout_leaves_the_stable_version_alone(server: Server, store: ModelStore) -> None:
    old, new = store.tabular("old"), store.tabular("new")
    server.order(old)

    def interrupt(said: str) -> None:
        if said.startswith("50 %"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rollout_of(server.server_files, POLICY, new, old, ROWS, interrupt).advance()
    assert target_of(server) == ("old", None, 0)


def test_somebody_else_s_order_is_left_as_it_is(server: Server, store: ModelStore) -> None:
    old, new, theirs = store.tabular("old"), store.tabular("new"), store.tabular("theirs")
    server.order(old)
    policy = POLICY.model_copy(update={"watch_seconds": 60.0})

    def interfere(said: str) -> None:
        if said.startswith("10 %"):
            server.order(theirs)
            raise RuntimeError("the task is killed")

    with pytest.raises(RuntimeError):
        rollout_of(server.server_files, policy, new, old, ROWS, interfere).advance()
    assert target_of(server) == ("theirs", None, 0)


def test_no_server_is_a_timeout_that_names_what_and_the_log(server: Server, store: ModelStore, tmp_path: Any) -> None:
    server_files = type(server.server_files)(files.to_uri(tmp_path), "colours", server.server_files.key)
    said: list[str] = []
    with pytest.raises(ServingTimeoutError, match="no server has written a status yet") as caught:
        rollout_of(
            server_files, POLICY, store.tabular("new"), None, ROWS, said.append, load_timeout_seconds=0.3
        ).advance()
    assert "generation 1 (new) to be ready" in str(caught.value)
    assert server_files.log_uri in str(caught.value)


def test_a_dead_server_during_the_watch_ends_it(start_server: StartServer, store: ModelStore) -> None:
    server = start_server(POLICY)
    old, new = store.tabular("old"), store.tabular("new")
    server.order(old)
    policy = POLICY.model_copy(update={"watch_seconds": 60.0})
    rollout_of(server.server_files, policy, new, old, ROWS).advance()
    killer = threading.Timer(0.5, server.process.kill)
    killer.start()
    started = time.monotonic()
    with pytest.raises(RolloutRevertedError, match="a request failed: no answer"):
        rollout_of(server.server_files, policy, new, old, ROWS).watch()
    assert time.monotonic() - started < 50
    assert target_of(server) == ("old", None, 0)


def test_client_errors_carry_status_and_message(server: Server, store: ModelStore) -> None:
    server.order(store.tabular("old"))
    with InferenceClient(server.address, "colours") as client:
        with pytest.raises(RequestFailedError, match="'b'") as caught:
            client.infer([{"a": 1.0}])
        assert caught.value.status == 400
        with pytest.raises(RequestFailedError) as caught:
            client.infer(ROWS, "nowhere")
        assert caught.value.status == 404
    with InferenceClient("http://127.0.0.1:9", "colours") as client:
        assert not client.ready()
        with pytest.raises(RequestFailedError) as caught:
            client.infer(ROWS)
        assert caught.value.status is None


def test_replay_rows_are_bounded_and_bad_lines_are_named(tmp_path: Any) -> None:
    path = tmp_path / "replay.jsonl"
    path.write_text('{"a": 1}\n\n{"a": 2}\n{"a": 3}')
    assert read_replay(files.to_uri(path)) == [{"a": 1}, {"a": 2}, {"a": 3}]
    assert read_replay(files.to_uri(path), max_rows=2) == [{"a": 1}, {"a": 2}]
    path.write_text('{"a": 1}\n[1]\n')
    with pytest.raises(BadInputError, match="line 2"):
        read_replay(files.to_uri(path))
    path.write_text("\n")
    with pytest.raises(BadInputError, match="no rows to replay"):
        read_replay(files.to_uri(path))
