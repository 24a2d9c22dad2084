"""A person's hand on which version is live: asked again, kept with name and reason, from our page."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from types import SimpleNamespace

import pytest
from fastapi.testclient import TestClient

from millrace.contracts.data import DatasetVersion
from millrace.contracts.errors import RefusedError
from millrace.contracts.measurement import Hardware, MeterReading, Quantity
from millrace.contracts.model import ModelVersion
from millrace.contracts.plan import Plan
from millrace.contracts.report import ExportResult, Report
from millrace.contracts.run_spec import TryKey
from millrace.contracts.workload import ApprovalPolicy
from millrace.ledger.ledger import Ledger
from millrace.ledger.records import Actor, RunKey
from millrace.pages import workloads
from tests.unit.pages.conftest import Everyone

ROLL_BACK = "/sub/millrace/models/roll_back?dag_id=news&version=v2"


@pytest.fixture
def model(ledger: Ledger, run: Callable[..., None]) -> Callable[[str], None]:
    """A candidate, of a run that ended."""

    def model(version: str) -> None:
        run(f"run-{version}", state="running")
        whole = Quantity(p50=1, p90=2)
        hardware = Hardware(
            name="h", cores=1, gflops_per_core=1, idle_watts_per_core=1, active_watts_per_core=1, memory_bytes=1
        )
        plan = Plan(
            made_at=datetime.now(UTC), model_parameters=1, forward_flops_per_row=1, training_flops=1, train_rows=1,
            dataset=DatasetVersion(workload="news", uri="file:///d", version=1, until=date(2026, 3, 1)),
            seconds_by_step={}, seconds=whole, peak_memory_bytes=whole, joules=whole, hardware=hardware,
            bottleneck="compute", sha256="0" * 64,
        )  # fmt: skip
        ledger.store_plan("news", f"run-{version}", 0, plan)
        exported = ExportResult(
            model=ModelVersion(workload="news", version=version, uri="file:///m", manifest_sha256="0" * 64),
            export_error=0, export_tolerance=1, bytes=1,
        )  # fmt: skip
        key = TryKey(dag_id="news", run_id=f"run-{version}", repeat=0, task_id="export", try_number=1)
        meter = MeterReading(started_at=datetime.now(UTC), wall_seconds=1, cpu_seconds=1)
        ledger.commit_report(key, Report(outcome="ok", reason="done", meter=meter, result=exported), "p")
        ledger.close_run("news", f"run-{version}", 0, state="success", reason="because")

    return model


@pytest.fixture
def two(ledger: Ledger, model: Callable[[str], None]) -> None:
    """v2 is live, v1 was before it, v3 is a candidate."""
    for version in ("v1", "v2", "v3"):
        model(version)
    for version in ("v1", "v2"):
        ledger.promote("news", version, by=Actor.of(RunKey("news", "r", 0)))


def token(client: TestClient, address: str) -> str:
    found = re.search(r'name="token" value="([^"]+)"', client.get(address).text)
    assert found
    return found[1]


def test_a_person_rolls_back_with_name_and_reason(
    client: TestClient, ledger: Ledger, manager: Everyone, two: None
) -> None:
    manager.editable.add("news")
    asked = client.get(ROLL_BACK).text
    assert "v1" in asked
    answer = client.post(ROLL_BACK, data={"token": token(client, ROLL_BACK), "reason": "it answers nonsense"})
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/sub/millrace/models?dag_id=news")
    live = ledger.live_model("news")
    assert live
    assert live.model.version == "v1"
    event = next(each for each in ledger.model_events("news") if each["event"] == "rolled_back")
    assert (event["actor"], event["reason"]) == ("Ada in Airflow's UI", "it answers nonsense")


def test_a_person_promotes_a_candidate(client: TestClient, ledger: Ledger, manager: Everyone, two: None) -> None:
    manager.editable.add("news")
    address = "/sub/millrace/models/promote?dag_id=news&version=v3"
    assert client.post(address, data={"token": token(client, address), "reason": "wanted"}).status_code == 303
    live = ledger.live_model("news")
    assert live
    assert live.model.version == "v3"
    assert [each["reason"] for each in ledger.model_events("news") if each["event"] == "promoted"][-1] == "wanted"


def test_who_may_only_read_changes_nothing(client: TestClient, ledger: Ledger, two: None) -> None:
    assert "Roll back" not in client.get("/sub/millrace/models?dag_id=news").text
    assert client.get(ROLL_BACK).status_code == 403
    assert client.post(ROLL_BACK, data={"token": "x", "reason": "because"}).status_code == 403
    live = ledger.live_model("news")
    assert live
    assert live.model.version == "v2"


def test_a_form_of_another_page_changes_nothing(
    client: TestClient, ledger: Ledger, manager: Everyone, two: None
) -> None:
    manager.editable.add("news")
    good = token(client, ROLL_BACK)
    elsewhere = token(client, "/sub/millrace/models/promote?dag_id=news&version=v3")
    for sent, site in (
        ("", "same-origin"),
        ("made-up", "same-origin"),
        (elsewhere, "same-origin"),
        (good, "cross-site"),
    ):
        answer = client.post(ROLL_BACK, data={"token": sent, "reason": "because"}, headers={"sec-fetch-site": site})
        assert answer.status_code == 403, (sent, site)
    live = ledger.live_model("news")
    assert live
    assert live.model.version == "v2"


def test_a_change_wants_a_reason(client: TestClient, manager: Everyone, two: None) -> None:
    manager.editable.add("news")
    answer = client.post(ROLL_BACK, data={"token": token(client, ROLL_BACK), "reason": ""})
    assert answer.status_code == 422


def test_a_person_lifts_what_a_person_barred(client: TestClient, ledger: Ledger, manager: Everyone, two: None) -> None:
    manager.editable.add("news")
    client.post(ROLL_BACK, data={"token": token(client, ROLL_BACK), "reason": "it answers nonsense"})
    later = Actor.of(RunKey("news", "later", 0))
    with pytest.raises(RefusedError, match="rolled back by Ada in Airflow's UI"):
        ledger.readmit("news", "v2", "judged again", by=later, anew=True)
    assert "/models/readmit?dag_id=news&amp;version=v2" in client.get("/sub/millrace/models?dag_id=news").text
    address = "/sub/millrace/models/readmit?dag_id=news&version=v2"
    assert (
        client.post(address, data={"token": token(client, address), "reason": "it was the client"}).status_code == 303
    )
    found = ledger.model("news", "v2")
    assert found
    assert found.state == "candidate"
    live = ledger.live_model("news")
    assert live
    assert live.model.version == "v1"  # nothing is served by that
    page = client.get("/sub/millrace/models?dag_id=news").text
    assert "readmitted" in page
    assert "it was the client" in page


def test_who_triggered_a_run_may_not_promote_its_version_where_two_people_are_wanted(
    client: TestClient, ledger: Ledger, manager: Everyone, two: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager.editable.add("news")
    address = "/sub/millrace/models/promote?dag_id=news&version=v3"
    wanted = SimpleNamespace(approval=ApprovalPolicy(two_people=True))
    monkeypatch.setattr(workloads, "find", lambda session, dag_id: (wanted, {}))
    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "triggered_by", lambda self, dag_id, run_id: "Ada")
        answer = client.post(address, data={"token": token(client, address), "reason": "wanted"})
    assert answer.status_code == 409
    assert "Ada triggered the run, and may not promote its version" in answer.text
    refused = ledger.audit()[0]
    assert (refused["action"], refused["outcome"], refused["actor"]) == ("promote", "refused", "Ada in Airflow's UI")
    assert client.post(address, data={"token": token(client, address), "reason": "wanted"}).status_code == 303


def test_a_version_whose_run_is_under_way_is_refused(
    client: TestClient, ledger: Ledger, manager: Everyone, two: None
) -> None:
    manager.editable.add("news")
    address = "/sub/millrace/models/promote?dag_id=news&version=v3"
    sent = {"token": token(client, address), "reason": "wanted"}
    day = date(2026, 3, 1)
    ledger.open_run(
        "news", "run-v3", workload="news", team="t", site="local", partition_first=day, partition_last=day,
        run_type="manual",
    )  # fmt: skip
    answer = client.post(address, data=sent)
    assert answer.status_code == 409
    assert "Required Actions" in answer.text
    assert ledger.audit()[0]["outcome"] == "refused"
