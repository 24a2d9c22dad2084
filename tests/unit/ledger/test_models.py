"""Models: one live version a workload, never older data over newer, and back again."""

from collections.abc import Callable
from datetime import date, timedelta

import pytest

from millrace.contracts.errors import RefusedError
from millrace.contracts.report import EvaluateResult, ExportResult, Report
from millrace.contracts.run_spec import TryKey
from millrace.ledger.ledger import Ledger
from millrace.ledger.records import Actor, RunKey

DAY = date(2024, 3, 1)
LATER = DAY + timedelta(days=1)


def by_run(run_id: str, repeat: int = 0) -> Actor:
    return Actor.of(RunKey("dag", run_id, repeat))


RUN, ADA = by_run("other"), Actor("Ada in Airflow's UI")


def promote(ledger: Ledger, version: str) -> str | None:
    return ledger.promote("news", version, by=by_run(f"run-{version}"))


def state(ledger: Ledger, version: str) -> str | None:
    found = ledger.model("news", version)
    return found.state if found else None


def live(ledger: Ledger) -> str | None:
    found = ledger.live_model("news")
    return found.model.version if found else None


def test_a_candidate_becomes_live(
    ledger: Ledger, train_model: Callable[..., None], exported: Callable[..., ExportResult]
) -> None:
    assert ledger.live_model("news") is None
    train_model("v1", DAY, 3)
    assert (state(ledger, "v1"), live(ledger)) == ("candidate", None)
    assert promote(ledger, "v1") is None
    found = ledger.live_model("news")
    assert found is not None
    assert found.model == exported("v1").model
    assert (found.dataset.version, found.dataset.until, found.run.run_id) == (3, DAY, "run-v1")
    assert found.quality is None
    assert ledger.run_summary()[0]["model_version"] == "v1"


def test_the_new_one_retires_the_old_one_and_once_more_changes_nothing(
    ledger: Ledger, train_model: Callable[..., None]
) -> None:
    train_model("v1", DAY, 0)
    train_model("v2", LATER, 1)
    promote(ledger, "v1")
    assert promote(ledger, "v2") == "v1"
    events = ledger.model_events("news")
    assert promote(ledger, "v2") == "v1"
    assert ledger.model_events("news") == events
    assert (state(ledger, "v1"), state(ledger, "v2")) == ("retired", "live")


@pytest.mark.parametrize(
    ("live_data", "new_data", "allowed"),
    [
        ((LATER, 0), (DAY, 9), False),
        ((DAY, 2), (DAY, 1), False),
        ((DAY, 1), (DAY, 1), True),
        ((DAY, 1), (DAY, 2), True),
        ((DAY, 9), (LATER, 0), True),
    ],
)
def test_older_data_never_replaces_newer(
    ledger: Ledger,
    train_model: Callable[..., None],
    live_data: tuple[date, int],
    new_data: tuple[date, int],
    allowed: bool,
) -> None:
    train_model("old", *live_data)
    promote(ledger, "old")
    train_model("new", *new_data)
    if allowed:
        assert promote(ledger, "new") == "old"
    else:
        with pytest.raises(RefusedError, match="newer data"):
            promote(ledger, "new")
        assert (live(ledger), state(ledger, "new")) == ("old", "candidate")


def test_back_to_the_nearest_good_one(ledger: Ledger, train_model: Callable[..., None]) -> None:
    for version in ("v1", "v2", "v3"):
        train_model(version)
        promote(ledger, version)
    assert ledger.revert("news", "v2", "found bad after it was replaced", by=RUN) == "v3"
    assert ledger.revert("news", "v3", "slow", by=RUN) == "v1"
    assert ledger.revert("news", "v3", "slow", by=RUN) == "v1"
    assert [state(ledger, version) for version in ("v1", "v2", "v3")] == ["live", "rolled_back", "rolled_back"]
    assert ledger.revert("news", "v1", "slow too", by=RUN) is None


def test_a_canary_that_was_never_live_can_be_taken_back(ledger: Ledger, train_model: Callable[..., None]) -> None:
    train_model("v1")
    promote(ledger, "v1")
    train_model("v2")
    assert ledger.revert("news", "v2", "canary erred", by=RUN) == "v1"
    assert (live(ledger), state(ledger, "v2")) == ("v1", "rolled_back")


def test_every_change_is_in_the_audit(ledger: Ledger, train_model: Callable[..., None]) -> None:
    train_model("v1")
    promote(ledger, "v1")
    train_model("v2")
    promote(ledger, "v2")
    ledger.revert("news", "v2", "p99 doubled", by=by_run("watch"))
    told = [(row["event"], row["version"], row["actor"], row["reason"]) for row in ledger.model_events("news")]
    assert told == [
        ("registered", "v1", "dag / run-v1", "exported"),
        ("promoted", "v1", "dag / run-v1", "rolled out"),
        ("registered", "v2", "dag / run-v2", "exported"),
        ("retired", "v1", "dag / run-v2", "v2 went live"),
        ("promoted", "v2", "dag / run-v2", "rolled out"),
        ("rolled_back", "v2", "dag / watch", "p99 doubled"),
        ("restored", "v1", "dag / watch", "v2 was rolled back"),
    ]
    assert all(row["at"] for row in ledger.model_events("news"))


def test_an_export_needs_a_plan_and_a_version_never_changes(
    ledger: Ledger,
    open_run: Callable[..., int],
    key: Callable[..., TryKey],
    report: Callable[..., Report],
    exported: Callable[..., ExportResult],
    train_model: Callable[..., None],
) -> None:
    open_run()
    with pytest.raises(RefusedError, match="no plan"):
        ledger.commit_report(key("export"), report(exported("v1")), "a")
    assert ledger.tries("dag", "run", 0) == []  # as a whole or not at all
    train_model("v1")
    again = key("export", "run-v1", try_number=2)
    ledger.commit_report(again, report(exported("v1")), "b")
    with pytest.raises(RefusedError, match="other content"):
        ledger.commit_report(again.model_copy(update={"try_number": 3}), report(exported("v1", "b" * 64)), "c")
    found = ledger.model("news", "v1")
    assert found is not None
    assert found.model.manifest_sha256 == "a" * 64


def test_the_newest_evaluation_is_a_models_quality(
    ledger: Ledger,
    train_model: Callable[..., None],
    key: Callable[..., TryKey],
    report: Callable[..., Report],
    evaluated: Callable[..., EvaluateResult],
) -> None:
    train_model("v1")
    ledger.commit_report(key("evaluate", "run-v1"), report(evaluated("v1", 0.8)), "e1")
    promote(ledger, "v1")
    train_model("v2")
    ledger.commit_report(key("evaluate", "run-v2"), report(evaluated("v2", 0.9, live="v1")), "e2")
    found = ledger.live_model("news")
    assert found is not None
    assert found.quality is not None
    assert found.quality.micro_f1 == 0.7
    newest, oldest = ledger.run_summary()
    assert (newest["quality_metric"], newest["quality"]) == ("micro_f1", 0.9)
    assert oldest["quality"] == 0.8
