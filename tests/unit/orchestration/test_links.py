"""Where a task's buttons lead."""

from types import SimpleNamespace
from typing import Any

from millrace.orchestration import links


def test_validation_is_of_the_run_whatever_became_of_it() -> None:
    """Nothing is looked up: the page says it in words where there are none."""
    key: Any = SimpleNamespace(dag_id="d", run_id="manual__2026-01-01T00:00:00+00:00")
    address = links.ValidationLink().get_link(None, ti_key=key)
    assert address.endswith("/millrace/validation?dag_id=d&run_id=manual__2026-01-01T00%3A00%3A00%2B00%3A00")
