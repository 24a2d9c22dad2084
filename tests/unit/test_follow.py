"""What the demonstration asks of Airflow's REST API."""

import json
from functools import partial
from pathlib import Path

import httpx
import pytest

from millrace.demonstration.follow import AirflowApi
from millrace.local_airflow import LocalAirflow


class SlowAirflow(httpx.MockTransport):
    """Makes the run, and has its first ``lost`` answers lost."""

    def __init__(self, lost: int) -> None:
        super().__init__(self.answer)
        self.lost = lost
        self.runs: list[str] = []

    def answer(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/auth/token":
            return httpx.Response(201, json={"access_token": "x"})
        if request.method == "PATCH":
            return httpx.Response(200, json={})
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


def test_an_airflow_that_never_answers_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(httpx.ReadTimeout):
        trigger(monkeypatch, tmp_path, SlowAirflow(lost=9))
