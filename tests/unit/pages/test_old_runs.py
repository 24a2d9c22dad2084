"""Pages show the runs of a ledger and a store that commit 88ba4e7 made."""

from pathlib import Path
from urllib.parse import urlencode

import pytest
from fastapi.testclient import TestClient

from millrace.ledger.ledger import Ledger
from tests.unit.pages.conftest import Everyone
from tests.unit.upgrade import old_release
from tests.unit.upgrade.old_release import DAG, LIVE, RETIRED


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    old_release.unpack(tmp_path)
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    ledger.migrate()
    return ledger


@pytest.fixture
def page(client: TestClient, manager: Everyone) -> TestClient:
    manager.readable.add(DAG)
    manager.editable.add(DAG)
    manager.reads_all = True
    return client


def test_every_run_has_its_page(page: TestClient, ledger: Ledger) -> None:
    rows = ledger.run_summary()
    for row in rows:
        shown = page.get(f"/sub/millrace/run?{urlencode({'dag_id': DAG, 'run_id': row['run_id']})}")
        assert shown.status_code == 200, row["run_id"]
        assert row["run_id"].split("+")[0] in shown.text
        assert row["state"] in shown.text
        assert " of divide, try 1" in shown.text, "the task has its name of then, as in Airflow"
    assert len(rows) == 9


@pytest.mark.parametrize("of", ["runs", "csv", "models", "site", "audit"])
def test_pages_of_many_runs(page: TestClient, of: str) -> None:
    shown = page.get(f"/sub/millrace/{of}", params={"dag_id": DAG})
    assert shown.status_code == 200
    if of == "models":
        assert LIVE in shown.text
        assert RETIRED in shown.text


def test_data_docs_are_shown(page: TestClient) -> None:
    of = {"dag_id": DAG, "run_id": old_release.SECOND_RUN}
    assert page.get("/sub/millrace/docs", params=of).status_code == 200


def test_the_backfill_that_was_rejected_is_shown(page: TestClient) -> None:
    shown = page.get("/sub/millrace/runs", params={"dag_id": DAG, "state": "rejected"})
    assert old_release.OVER_BUDGET_RUN.split("+")[0] in shown.text
