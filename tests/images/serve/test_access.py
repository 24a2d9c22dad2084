"""TLS and a bearer token: who may ask, and what everybody may see."""

import ssl
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from millrace.contracts.workload import ServingPolicy
from millrace.serving.client import Access
from millrace.serving.traffic import RolloutRevertedError
from tests.images.serve.conftest import ModelStore, Server, rollout_of

TOKEN = "a-token-of-the-tests"


@pytest.fixture(scope="module")
def server(start_server: Callable[..., Any], store: ModelStore, secrets: Path) -> Any:
    server = start_server(secrets=secrets, tls=True, token=True, wait=False)
    context = ssl.create_default_context(cafile=str(secrets / "tls.crt"))
    server.http = httpx.Client(base_url=f"https://localhost:{server.port}", verify=context, timeout=60, trust_env=False)
    server.order(store.tabular("v1"))
    return server


def ask(server: Server, authorization: str | None) -> httpx.Response:
    body = {
        "inputs": [{"name": name, "datatype": "FP64", "shape": [1], "data": [1.0]} for name in ("a", "b")],
    }
    headers = {} if authorization is None else {"Authorization": authorization}
    return server.http.post("/v2/models/colours/infer", json=body, headers=headers)


def test_the_token_opens_the_model_over_tls(server: Server) -> None:
    answer = ask(server, f"Bearer {TOKEN}")
    assert answer.status_code == 200
    assert answer.json()["model_version"] == "v1"


@pytest.mark.parametrize("given", [None, "", "Bearer", "Bearer wrong", TOKEN, f"bearer {TOKEN}x"])
def test_whoever_has_not_the_token_is_refused(server: Server, given: str | None) -> None:
    answer = ask(server, given)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert TOKEN not in answer.text


@pytest.mark.parametrize("path", ["/v2/models/colours", "/v2/models", "/v2/models/colours/versions/v1/ready"])
def test_what_is_about_a_model_takes_the_token(server: Server, path: str) -> None:
    assert server.http.get(path).status_code == 401


@pytest.mark.parametrize("path", ["/v2/health/live", "/v2/health/ready", "/metrics"])
def test_health_and_metrics_are_for_the_cluster(server: Server, path: str) -> None:
    assert server.http.get(path).status_code == 200


def test_a_rollout_that_has_the_authority_and_the_token_gives_the_model_to_a_second_version(
    server: Server, store: ModelStore, secrets: Path
) -> None:
    policy = ServingPolicy(requests_per_step=5, watch_seconds=1)
    first, second = store.tabular("v1"), store.tabular("v2", weight=4.0)
    access = Access(ca=(secrets / "tls.crt").read_text(), server_name="localhost", token=TOKEN)
    rows: list[dict[str, object]] = [{"a": 1.0, "b": 1.0}]
    with pytest.raises(RolloutRevertedError):
        rollout_of(server.server_files, policy, second, first, rows, access=replace(access, token="another")).advance()
    rollout = rollout_of(server.server_files, policy, second, first, rows, access=access)
    rollout.advance()
    assert server.server_files.read_status().canary.version == "v2"
    rollout.watch()
    rollout.finish()
    assert server.server_files.read_status().stable.version == "v2"
    server.order(first)


def test_plain_http_gets_no_answer(server: Server) -> None:
    with pytest.raises(httpx.HTTPError):
        httpx.get(f"http://localhost:{server.port}/v2/health/live", trust_env=False)


def test_a_server_without_its_secret_says_what_is_missing(start_server: Callable[..., Any], tmp_path: Path) -> None:
    server = start_server(secrets=tmp_path, token=True, wait=False)
    assert server.process.wait(timeout=60) == 10
    assert "there is no token" in server.log.read_text()
