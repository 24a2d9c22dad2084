"""What the demonstration asks of Airflow's REST API."""

import json
from functools import partial
from pathlib import Path

import httpx
import pytest

from millrace.cli.demonstration.follow import AirflowApi
from millrace.cli.local_airflow import LocalAirflow


class SlowAirflow(httpx.MockTransport):
    """Makes the run, and has its first ``lost`` answers lost; or makes none so often, as its database is ``busy``."""

    def __init__(self, lost: int, busy: int = 0) -> None:
        super().__init__(self.answer)
        self.lost, self.busy = lost, busy
        self.runs: list[str] = []

    def answer(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/auth/token":
            return httpx.Response(201, json={"access_token": "x"})
        if request.method == "PATCH":
            return httpx.Response(200, json={})
        if self.busy:
            self.busy -= 1
            return httpx.Response(500, json={"detail": "database is locked"})
        run_id = json.loads(request.content)["dag_run_id"]
        self.runs.append(run_id)
        if len(self.runs) <= self.lost:
            raise httpx.ReadTimeout("timed out", request=request)
        return httpx.Response(409 if run_id in self.runs[:-1] else 200, json={"dag_run_id": run_id})


def trigger(monkeypatch: pytest.MonkeyPatch, home: Path, airflow: httpx.MockTransport) -> str:
    folder = home / "airflow"
    folder.mkdir()
    (folder / "simple_auth_manager_passwords.json.generated").write_text('{"admin": "x"}')
    monkeypatch.setattr(httpx, "Client", partial(httpx.Client, transport=airflow))
    return AirflowApi(LocalAirflow(home)).trigger("news_topics", {})


def test_a_lost_answer_leaves_one_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    airflow = SlowAirflow(lost=2)
    run_id = trigger(monkeypatch, tmp_path, airflow)
    assert airflow.runs == [run_id] * 3


def test_a_database_that_was_busy_is_asked_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    airflow = SlowAirflow(lost=0, busy=2)
    run_id = trigger(monkeypatch, tmp_path, airflow)
    assert airflow.runs == [run_id]


def test_an_airflow_that_never_answers_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(httpx.ReadTimeout):
        trigger(monkeypatch, tmp_path, SlowAirflow(lost=9))
