"""`millrace ledger runs` has headings, columns that line up, and reasons that are whole."""

from typing import Any

from millrace.cli.run_table import WIDTH, run_table

REASON = "ingest: the file is cut inside its last row (file:///arrivals/orders/2026-01-02.csv, row 12, field 'amount')"


def row(**changes: Any) -> dict[str, Any]:
    return {
        "dag_id": "orders", "run_id": "scheduled__2026-01-02T00:00:00+00:00", "repeat": 0, "workload": "orders",
        "partition": "2026-01-02", "state": "success", "reason": "the new version is live", "measured_seconds": 61.4,
        "predicted_seconds": 70.0, "model_version": "3f2a9c01d4e5",
    } | changes  # fmt: skip


def test_each_value_stands_below_its_heading() -> None:
    rows = [row(), row(dag_id="a-longer-name", state="failed", reason=REASON, model_version=None, partition=None)]
    heading, first, *rest = run_table(rows, {("orders", "3f2a9c01d4e5"): "http://127.0.0.1:8600"})
    for name, value in (("dag_id", "orders"), ("partition", "2026-01-02"), ("state", "success"), ("took", "61 s"),
                        ("predicted", "70 s"), ("model", "3f2a"), ("serves at", "http://127.0.0.1:8600")):  # fmt: skip
        assert first[heading.index(name) :].startswith(value), (heading, first)
    assert max(map(len, [heading, first, *rest])) <= WIDTH
    assert REASON.split() == " ".join(rest).split()[-len(REASON.split()) :]


def test_an_address_is_of_the_version_that_answers() -> None:
    lines = run_table([row(), row(model_version="new")], {("orders", "new"): "http://127.0.0.1:8600"})
    assert [line for line in lines if "http" in line] == [next(line for line in lines if "new  " in line)]


def test_a_short_row_has_its_reason_beside_it_and_a_repeat_its_number() -> None:
    heading, only = run_table([row(run_id="manual__1", repeat=2, model_version=None)], {})
    assert heading.endswith("reason")
    assert "manual__1 #2" in only
    assert only[heading.index("reason") :] == "the new version is live"


def test_an_empty_ledger_says_so() -> None:
    assert run_table([], {}) == ["no such run is in the ledger"]
