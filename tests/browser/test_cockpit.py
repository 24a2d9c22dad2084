"""A person's way through the pages: plan, trigger, watch, see the model live, roll it back."""

import re
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from fastapi.routing import APIRoute
from playwright.sync_api import expect

from millrace.contracts.serving import ServingStatus
from millrace.pages.app import create_app
from tests.e2e.conftest import AirflowEnv

DAG = "machine_faults"
FIRST, LAST = "2026-03-02", "2026-03-04"  # the Airflow environment's days
SERIOUS = {"serious", "critical"}
RUN_MILLISECONDS = 240_000


def inside(page: Any) -> Any:
    """The page in Airflow's frame."""
    return page.frame_locator("iframe")


def test_strangers_get_401_from_every_route(airflow_env: AirflowEnv) -> None:
    for route in create_app().routes:
        if isinstance(route, APIRoute):
            path = route.path.replace("{name}", "pages.css").replace("{change}", "promote")
            for method in route.methods:
                asked = {"dag_id": DAG, "run_id": "r", "version": "1", "first": FIRST, "last": LAST}
                address = f"{airflow_env.airflow.url}/millrace{path}"
                assert httpx.request(method, address, params=asked).status_code == 401, f"{method} {path}"


def test_a_person_plans_triggers_watches_and_rolls_back(airflow_env: AirflowEnv, page: Any, pictures: Path) -> None:
    before = airflow_env.ledger.live_model(DAG).model.version
    page.goto(f"{airflow_env.airflow.url}/plugin/millrace-plan")
    frame = inside(page)
    frame.get_by_label("workload").select_option(DAG)
    frame.get_by_label("epochs").fill("2")
    frame.get_by_text("Further parameters").click()
    frame.get_by_label("partition from").fill(LAST)
    frame.get_by_label("partition to").fill(LAST)
    frame.get_by_role("button", name="Plan", exact=True).click()
    expect(frame.get_by_role("button", name="Trigger with it").first).to_be_enabled()  # not before it was planned
    expect(frame.get_by_label("epochs")).to_have_value("2")
    page.screenshot(path=pictures / "in-airflow-plan.png")
    frame.get_by_role("button", name="Trigger with it").first.click()
    expect(frame.locator("h1")).to_contain_text("manual__", timeout=30_000)
    run_id = frame.locator("h1").inner_text()

    expect(frame.locator("table td").get_by_text("ingest").first).to_be_visible(timeout=60_000)
    seen = frame.locator("svg .bar").count()
    expect(frame.locator(".badge").first).to_have_text("success", timeout=RUN_MILLISECONDS)
    assert frame.locator("svg .bar").count() > seen, "the time line did not grow while the run went on"
    expect(frame.get_by_text("the new version is live")).to_be_visible()
    page.screenshot(path=pictures / "in-airflow-run.png")
    assert airflow_env.ledger.plan(DAG, run_id).dataset.until == date.fromisoformat(LAST)

    after = airflow_env.ledger.live_model(DAG).model.version
    assert after != before
    frame.get_by_role("link", name="Models").click()
    expect(frame.locator("tr", has_text=after).first.locator(".badge.live")).to_be_visible()
    frame.get_by_role("link", name=re.compile("^Roll back")).click()
    frame.get_by_label("Reason").fill("it answers nonsense")
    page.screenshot(path=pictures / "in-airflow-confirm.png")
    frame.get_by_role("button", name="Roll back").click()
    expect(frame.get_by_role("status")).to_contain_text(f"{before} is live", timeout=120_000)
    assert airflow_env.ledger.live_model(DAG).model.version == before
    status = ServingStatus.model_validate_json((airflow_env.store / f"serving/{DAG}/status.json").read_bytes())
    assert status.stable.version == before
    expect(frame.get_by_text("it answers nonsense")).to_be_visible()


def test_tabs_and_links_of_a_run_lead_into_airflow(airflow_env: AirflowEnv, page: Any) -> None:
    run_id = airflow_env.ledger.live_model(DAG).run.run_id
    page.goto(f"{airflow_env.airflow.url}/dags/{DAG}/runs/{run_id}")
    page.get_by_role("link", name="Energy and cost").click()
    expect(inside(page).locator("h1")).to_have_text(run_id)
    inside(page).get_by_role("link", name="log of train").first.click()
    page.wait_for_url(re.compile(r".*/tasks/train.*try_number=1"))


ADDRESSES = {
    "runs": "runs",
    "run": "run?dag_id={dag}&run_id={run}",
    "models": "models?dag_id={dag}",
    "confirm": "models/roll_back?dag_id={dag}&version={version}",
    "plan": "plan?dag_id={dag}",
    "backfill": f"backfill?dag_id={{dag}}&first={FIRST}&last={LAST}",
    "site": "site?days=7",
    "audit": "audit",
    "empty": "runs?state=superseded",
    "error": "run?dag_id={dag}&run_id=nothing",
}


@pytest.mark.parametrize("name", ADDRESSES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_page_can_be_read_by_everyone_on_any_screen(
    airflow_env: AirflowEnv, page: Any, pictures: Path, name: str, scheme: str
) -> None:
    live = airflow_env.ledger.live_model(DAG)
    address = ADDRESSES[name].format(dag=DAG, run=live.run.run_id.replace("+", "%2B"), version=live.model.version)
    page.evaluate(f"localStorage.setItem('theme', '{scheme}')")
    for width in (1280, 400):
        page.set_viewport_size({"width": width, "height": 900})
        page.goto(f"{airflow_env.airflow.url}/millrace/{address}")
        page.screenshot(path=pictures / f"{name}-{width}-{scheme}.png", full_page=True)
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= width, f"{name} is {wide} pixels wide on a screen of {width}"
        found = Axe().run(page).response["violations"]
        serious = [
            (each["id"], [node["html"][:160] for node in each["nodes"]]) for each in found if each["impact"] in SERIOUS
        ]
        assert not serious, f"{name} at {width}, {scheme}: {serious}"
    page.set_viewport_size({"width": 1280, "height": 900})
