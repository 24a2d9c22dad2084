"""Where a task's buttons lead."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from millrace import links


def test_data_docs_are_those_of_the_newest_repeat(monkeypatch: pytest.MonkeyPatch) -> None:
    """The ledger has the newest row first."""
    rows = [{"dataset_version": 7}, {"dataset_version": 3}]
    summary: Callable[..., Any] = lambda limit=100, **_: rows[:limit]  # noqa: E731
    ledger = SimpleNamespace(run_summary=summary)
    monkeypatch.setattr(links, "load_settings", lambda: SimpleNamespace(ledger=lambda: ledger))
    address = links.DataDocsLink().get_link(None, ti_key=SimpleNamespace(dag_id="d", run_id="r"))
    assert address.endswith("/millrace/docs?dag_id=d&version=7")
