"""What stores do, and the lock on a dataset where they cannot decide."""

from collections.abc import Callable
from datetime import UTC, datetime

from millrace.contracts.report import Report
from millrace.contracts.run_spec import TryKey
from millrace.contracts.store import StoreTraits
from millrace.ledger.ledger import Ledger

TABLE = "s3://bucket/datasets/news"


def test_the_newest_probe_of_a_store_counts(ledger: Ledger) -> None:
    assert ledger.store("s3://bucket/store") is None
    for wins in (True, False):
        traits = StoreTraits(
            uri="s3://bucket/store",
            probed_at=datetime.now(UTC),
            means="conditional_put",
            keeps_what_is_there=True,
            one_wins=wins,
            lists_at_once=True,
        )
        ledger.record_store(traits)
        assert ledger.store("s3://bucket/store") == traits
        assert traits.exclusive is wins


def test_one_run_at_a_time_may_commit(
    ledger: Ledger, open_run: Callable[..., int], key: Callable[..., TryKey], report: Callable[..., Report]
) -> None:
    first, second = open_run("first"), open_run("second")
    assert ledger.take_commit_lock("dag", "first", first, TABLE)
    assert ledger.take_commit_lock("dag", "first", first, TABLE)
    assert not ledger.take_commit_lock("dag", "second", second, TABLE)
    assert ledger.take_commit_lock("dag", "second", second, f"{TABLE}-other")
    ledger.commit_lost_try(key("validate", "first"), None, "one", "killed; the next try has the lock already")
    ledger.commit_report(key("ingest", "first"), report(), "two")
    assert not ledger.take_commit_lock("dag", "second", second, TABLE)
    ledger.commit_report(key("validate", "first"), report(), "three")
    assert ledger.take_commit_lock("dag", "second", second, TABLE)


def test_a_run_that_has_ended_holds_nothing(ledger: Ledger, open_run: Callable[..., int]) -> None:
    first, second = open_run("first"), open_run("second")
    assert ledger.take_commit_lock("dag", "first", first, TABLE)
    ledger.close_run("dag", "first", first, state="failed", reason="killed")
    assert ledger.take_commit_lock("dag", "second", second, TABLE)
