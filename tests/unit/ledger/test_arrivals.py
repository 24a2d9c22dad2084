"""What the ledger keeps of a day's file, so that one that comes or changes later is known."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

from millrace.ledger.ledger import Ledger

DAY = date(2024, 3, 1)


def row(ledger: Ledger) -> dict[str, Any]:
    (found,) = ledger.partition_rows("news", DAY, DAY)
    return dict(found)


def test_a_published_day_keeps_what_the_store_said_of_its_file(
    ledger: Ledger, open_run: Callable[..., int], key: Any, report: Any, staged: Any, ingested: Any, validated: Any
) -> None:
    open_run()
    first, second = (staged().model_copy(update={"source_identity": text}) for text in ("one", "two"))
    ledger.commit_report(key("ingest"), report(ingested(first)), "a")
    assert (row(ledger)["state"], row(ledger)["source_identity"]) == ("staged", "one")
    ledger.commit_report(key("validate"), report(validated(0, first)), "b")
    assert (row(ledger)["state"], row(ledger)["source_identity"]) == ("committed", "one")
    ledger.commit_report(key("ingest", try_number=2), report(ingested(second)), "c")
    assert row(ledger)["source_identity"] == "one", "what is published stays until something else is"
    ledger.commit_report(key("validate", try_number=2), report(validated(0, second)), "d")
    assert row(ledger)["source_identity"] == "two", "the same content in another file is known too"


def test_an_absent_day_keeps_its_reason(
    ledger: Ledger, open_run: Callable[..., int], key: Any, report: Any, ingested: Any
) -> None:
    open_run()
    result = ingested(absent=(DAY,)).model_copy(update={"absent_reasons": {f"{DAY}": "its marker is not there"}})
    ledger.commit_report(key("ingest"), report(result, outcome="skipped"), "a")
    assert (row(ledger)["state"], row(ledger)["reason"]) == ("absent", "its marker is not there")


def test_a_workloads_source_is_as_its_newest_run_declared_it(ledger: Ledger, open_run: Callable[..., int]) -> None:
    open_run("before sources were kept")
    assert ledger.sources() == []
    open_run("a", source='{"uri_template": "one"}')
    (first,) = ledger.sources()
    open_run("a", source='{"uri_template": "one"}')
    assert ledger.sources() == [first], "once"
    open_run("b", source='{"uri_template": "two"}')
    (second,) = ledger.sources()
    assert (second["workload"], second["dag_id"], second["source"]) == ("news", "dag", '{"uri_template": "two"}')


def test_ingest_began_with_its_last_try_or_with_the_run(
    ledger: Ledger, open_run: Callable[..., int], key: Any, report: Any, reading: Any
) -> None:
    assert ledger.ingest_began("dag", "run", 0) is None
    before = datetime.now(UTC)
    open_run()
    began = ledger.ingest_began("dag", "run", 0)
    assert began is not None
    assert before <= began <= datetime.now(UTC)
    times = [datetime(2024, 3, 1, hour, tzinfo=UTC) for hour in (6, 7, 8)]
    for number, (task, at) in enumerate(zip(("ingest", "ingest", "validate"), times, strict=True)):
        ledger.commit_report(
            key(task, try_number=number + 1), report(outcome="failed", meter=reading(started_at=at)), f"{number}"
        )
    assert ledger.ingest_began("dag", "run", 0) == times[1]
