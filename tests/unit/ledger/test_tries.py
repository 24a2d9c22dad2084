"""Tries: committed once, counted once, whatever name their process is given."""

from collections.abc import Callable

import pytest

from millrace.contracts.measurement import MeterReading
from millrace.contracts.reasons import Reason
from millrace.contracts.report import Report
from millrace.contracts.run_spec import TryKey
from millrace.ledger.ledger import Ledger


@pytest.fixture(autouse=True)
def run(open_run: Callable[..., int]) -> None:
    open_run()


def joules(ledger: Ledger) -> float | None:
    found: float | None = ledger.run_summary()[0]["measured_joules"]
    return found


def test_the_whole_reading_is_kept(
    ledger: Ledger, key: Callable[..., TryKey], report: Callable[..., Report], reading: Callable[..., MeterReading]
) -> None:
    whole = reading(
        peak_gpu_memory_bytes=2**40, read_bytes=2**41, written_bytes=7, energy_method="nvml+rapl", idle_joules=30.0
    )
    ledger.commit_report(key("group.train"), report(meter=whole), "uid")
    row = ledger.tries("dag", "run", 0)[0]
    assert (row["step"], row["outcome"], row["process_uid"]) == ("train", "ok", "uid")
    kept = {name: row[name] for name in MeterReading.model_fields if name != "phases"}
    assert MeterReading.model_validate(kept) == whole


def test_the_same_commit_twice_changes_nothing(
    ledger: Ledger, key: Callable[..., TryKey], report: Callable[..., Report]
) -> None:
    given = report()
    for _ in range(3):
        ledger.commit_report(key("ingest"), given, "uid")
    assert len(ledger.tries("dag", "run", 0)) == 1
    assert joules(ledger) == 100


def test_every_try_counts(ledger: Ledger, key: Callable[..., TryKey], report: Callable[..., Report]) -> None:
    ledger.commit_report(key("train", try_number=1), report(outcome="failed", exit_code=20), "a")
    ledger.commit_report(key("train", try_number=2), report(outcome="interrupted", exit_code=30), "b")
    ledger.commit_report(key("train", try_number=3), report(), "c")
    row = ledger.run_summary()[0]
    assert (row["measured_joules"], row["measured_seconds"]) == (300, 30)


def test_a_killed_try_counts_once_under_any_name(
    ledger: Ledger, key: Callable[..., TryKey], reading: Callable[..., MeterReading]
) -> None:
    last = reading()
    ledger.commit_lost_try(key("train"), last, "pid-7", "killed")
    ledger.commit_lost_try(key("train"), last, "pid-7", "killed")
    ledger.commit_lost_try(key("train"), last, "lost", "found by the next try")
    assert joules(ledger) == 100
    assert [row["outcome"] for row in ledger.tries("dag", "run", 0)] == ["lost"]


def test_two_processes_of_one_try_both_count(
    ledger: Ledger, key: Callable[..., TryKey], reading: Callable[..., MeterReading]
) -> None:
    ledger.commit_lost_try(key("train"), reading(), "pod-1", "evicted")
    ledger.commit_lost_try(key("train"), reading(), "pod-2", "evicted")
    assert joules(ledger) == 200


def test_without_a_reading_a_try_is_known_and_its_use_is_not(
    ledger: Ledger, key: Callable[..., TryKey], report: Callable[..., Report]
) -> None:
    ledger.commit_lost_try(key("train"), None, "pid-7", "killed at once")
    assert joules(ledger) is None
    assert ledger.run_summary()[0]["measured_seconds"] is None
    ledger.commit_report(key("export"), report(), "x")
    ledger.commit_lost_try(key("export"), None, "pid-8", "not so")
    assert [row["step"] for row in ledger.tries("dag", "run", 0)] == ["train", "export"]


def test_a_report_replaces_the_lost_try_of_its_process(
    ledger: Ledger, key: Callable[..., TryKey], report: Callable[..., Report], reading: Callable[..., MeterReading]
) -> None:
    begun = reading(joules=40.0)
    ledger.commit_lost_try(key("train"), begun, "lost", "no report yet")
    whole = begun.model_copy(update={"joules": 90.0, "wall_seconds": 20.0})
    ledger.commit_report(key("train"), report(meter=whole), "pid-7")
    assert joules(ledger) == 90
    assert [row["outcome"] for row in ledger.tries("dag", "run", 0)] == ["ok"]
    ledger.commit_lost_try(key("train"), begun, "lost", "too late")
    assert joules(ledger) == 90


def test_an_adopted_report_brings_no_second_joules(
    ledger: Ledger, key: Callable[..., TryKey], report: Callable[..., Report]
) -> None:
    finished = report()
    ledger.commit_report(key("train", try_number=1), finished, "pid-7")
    ledger.commit_report(key("train", try_number=2), finished, "adopted")
    assert joules(ledger) == 100
    assert [row["joules"] for row in ledger.tries("dag", "run", 0)] == [100, None]


def test_the_newest_good_report_is_the_committed_one(
    ledger: Ledger, open_run: Callable[..., int], key: Callable[..., TryKey], report: Callable[..., Report]
) -> None:
    assert ledger.committed_report("dag", "run", "ingest") is None
    ledger.commit_report(key("ingest"), report(outcome="failed", reason="first", exit_code=20), "a")
    assert ledger.committed_report("dag", "run", "ingest") is None
    ledger.commit_report(key("ingest", try_number=2), report(reason="second"), "b")
    ledger.commit_report(key("ingest", try_number=3), report(outcome="failed", reason="third", exit_code=20), "c")
    found = ledger.committed_report("dag", "run", "ingest")
    assert found is not None
    assert found.reason == "second"
    ledger.close_run("dag", "run", 0, state="success", reason="x")
    open_run()
    ledger.commit_report(key("ingest", repeat=1, try_number=4), report(outcome="skipped", reason="again"), "d")
    found = ledger.committed_report("dag", "run", "ingest")
    assert found is not None
    assert found.reason == "again"
    ledger.commit_report(key("ingest", try_number=5), report(reason="a straggler of the first repeat"), "e")
    found = ledger.committed_report("dag", "run", "ingest")
    assert found is not None
    assert found.reason == "again"
    assert ledger.try_reasons("dag", "run", 0) == {"ingest": Reason("a straggler of the first repeat")}


def test_of_a_mapped_task_every_part_is_told_newest_first_and_a_failure_is_its_reason(
    ledger: Ledger, key: Callable[..., TryKey], report: Callable[..., Report]
) -> None:
    first, second = (key("ingest").model_copy(update={"map_index": index}) for index in range(2))
    ledger.commit_report(second, report(outcome="failed", reason="no rows", exit_code=10), "b")
    ledger.commit_report(first, report(reason="older"), "a")
    ledger.commit_report(first.model_copy(update={"try_number": 2}), report(reason="newer"), "c")
    assert [each.reason for each in ledger.committed_reports("dag", "run", "ingest")] == ["newer", "older"]
    assert ledger.try_reasons("dag", "run", 0) == {"ingest": Reason("no rows")}
    ledger.commit_report(second.model_copy(update={"try_number": 2}), report(reason="rows"), "d")
    assert ledger.try_reasons("dag", "run", 0)["ingest"].text != "no rows"


def test_a_report_after_the_close_still_counts(
    ledger: Ledger, key: Callable[..., TryKey], report: Callable[..., Report]
) -> None:
    ledger.close_run("dag", "run", 0, state="success", reason="x")
    ledger.commit_report(key("finish"), report(), "a")
    assert joules(ledger) == 100


def test_what_was_counted_while_it_still_worked_is_counted_anew_at_its_end_and_never_shrinks(
    ledger: Ledger, key: Callable[..., TryKey], reading: Callable[..., MeterReading]
) -> None:
    early = reading(wall_seconds=5, joules=40)
    last = early.model_copy(update={"wall_seconds": 9, "joules": 70})
    for each in (early, last, early):
        ledger.commit_lost_try(key("train"), each, f"after {each.wall_seconds} s", "its task was ended")
    assert [row["joules"] for row in ledger.tries("dag", "run", 0)] == [70]
    assert joules(ledger) == 70


def test_a_report_is_not_displaced_by_a_reading(
    ledger: Ledger, key: Callable[..., TryKey], report: Callable[..., Report]
) -> None:
    given = report()
    ledger.commit_report(key("train"), given, "a")
    later = given.meter.model_copy(update={"wall_seconds": 1e6, "joules": 1e6})
    ledger.commit_lost_try(key("train"), later, "lost", "found later")
    assert [row["outcome"] for row in ledger.tries("dag", "run", 0)] == ["ok"]
