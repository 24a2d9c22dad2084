"""Partitions and versions: what is published stays until something better is."""

from collections.abc import Callable
from datetime import date, timedelta

import pytest

from millrace.contracts.data import LengthHistogram, StagedPartition, Window
from millrace.contracts.report import IngestResult, Report, ValidateResult
from millrace.contracts.run_spec import TryKey
from millrace.ledger.ledger import Ledger

DAYS = [date(2024, 3, 1) + timedelta(days=offset) for offset in range(5)]
WORKLOAD = "news"

Commit = Callable[..., None]


@pytest.fixture
def commit(ledger: Ledger, key: Callable[..., TryKey], report: Callable[..., Report]) -> Commit:
    """Commit a result, or a failure, of a task of a run."""
    numbers = iter(range(1, 100))

    def commit(task_id: str, result: IngestResult | ValidateResult | int, run_id: str = "run") -> None:
        number = next(numbers)
        failed = isinstance(result, int)
        given = report(outcome="failed", reason="bad", exit_code=result) if failed else report(result)
        ledger.commit_report(key(task_id, run_id, try_number=number), given, f"uid-{number}")

    return commit


def states(ledger: Ledger) -> list[str | None]:
    found = ledger.settled_partitions(WORKLOAD, DAYS[0], DAYS[-1])
    return [found.get(day) for day in DAYS]


def test_staged_then_committed(
    ledger: Ledger,
    open_run: Callable[..., int],
    commit: Commit,
    staged: Callable[..., StagedPartition],
    ingested: Callable[..., IngestResult],
    validated: Callable[..., ValidateResult],
) -> None:
    open_run(first=DAYS[0], last=DAYS[2])
    parts = [staged(DAYS[0]), staged(DAYS[2], rows=20, content="b")]
    commit("ingest", ingested(*parts, absent=(DAYS[1],)))
    assert states(ledger) == ["staged", "absent", "staged", None, None]
    assert ledger.latest_dataset(WORKLOAD, DAYS[2]) is None
    commit("validate", validated(4, *parts))
    assert states(ledger) == ["committed", "absent", "committed", None, None]
    row = ledger.partition_rows(WORKLOAD, DAYS[2], DAYS[2])[0]
    assert (row["row_count"], row["dataset_version"], row["content_sha256"], row["run_id"]) == (
        20,
        4,
        parts[1].content_sha256,
        "run",
    )
    assert ledger.run_summary()[0]["dataset_version"] == 4
    assert ledger.run_summary()[0]["partition"] == "2024-03-01/2024-03-03"


def test_the_latest_dataset_reads_no_further_than_asked_or_committed(
    ledger: Ledger,
    open_run: Callable[..., int],
    commit: Commit,
    staged: Callable[..., StagedPartition],
    validated: Callable[..., ValidateResult],
) -> None:
    open_run(first=DAYS[1], last=DAYS[3])
    commit("validate", validated(0, staged(DAYS[1])))
    commit("validate", validated(1, staged(DAYS[3])))
    found = [ledger.latest_dataset(WORKLOAD, day) for day in DAYS]
    assert found[0] is None
    assert [(one.version, one.until) for one in found if one] == [
        (1, DAYS[1]),
        (1, DAYS[2]),
        (1, DAYS[3]),
        (1, DAYS[3]),
    ]
    assert ledger.latest_dataset("other", DAYS[3]) is None


def test_profiles_add_up(
    ledger: Ledger,
    open_run: Callable[..., int],
    commit: Commit,
    staged: Callable[..., StagedPartition],
    validated: Callable[..., ValidateResult],
) -> None:
    open_run(first=DAYS[0], last=DAYS[2])
    parts = [staged(day, rows=10 * (at + 1)) for at, day in enumerate(DAYS[:3])]
    assert ledger.profile(WORKLOAD, until=DAYS[2]) is None
    commit("validate", validated(0, *parts))
    whole = ledger.profile(WORKLOAD, until=DAYS[4])
    assert whole is not None
    assert (whole.rows, whole.bytes, whole.rows_by_split) == (60, 6000, {"train": 57, "test": 3})
    assert whole.token_lengths == LengthHistogram(upper=(16, 32), counts=(57, 3))
    outside = ledger.profile(WORKLOAD, until=DAYS[2], outside=Window(first=DAYS[1], last=DAYS[1]))
    assert outside is not None
    assert outside.rows == 40
    assert ledger.profile(WORKLOAD, until=DAYS[0], outside=Window(first=DAYS[0], last=DAYS[0])) is None


def test_a_repeat_changes_no_count(
    ledger: Ledger,
    open_run: Callable[..., int],
    commit: Commit,
    staged: Callable[..., StagedPartition],
    ingested: Callable[..., IngestResult],
    validated: Callable[..., ValidateResult],
) -> None:
    for run_id in ("one", "two"):
        open_run(run_id)
        commit("ingest", ingested(staged()), run_id)
        assert states(ledger)[0] == ("staged" if run_id == "one" else "committed")
        commit("validate", validated(0, staged()), run_id)
    profile = ledger.profile(WORKLOAD, until=DAYS[0])
    assert profile is not None
    assert profile.rows == 10
    assert [row["dataset_version"] for row in ledger.run_summary()] == [0, 0]


def test_a_late_commit_of_an_older_version_does_not_go_back(
    ledger: Ledger,
    open_run: Callable[..., int],
    commit: Commit,
    staged: Callable[..., StagedPartition],
    validated: Callable[..., ValidateResult],
) -> None:
    open_run()
    commit("validate", validated(6, staged(rows=60)))
    commit("validate", validated(5, staged(rows=50)))
    row = ledger.partition_rows(WORKLOAD, DAYS[0], DAYS[0])[0]
    assert (row["dataset_version"], row["row_count"]) == (6, 60)


@pytest.mark.parametrize("exit_code", [10, 40])
def test_failures_for_good_spare_what_is_committed(
    ledger: Ledger,
    open_run: Callable[..., int],
    commit: Commit,
    staged: Callable[..., StagedPartition],
    ingested: Callable[..., IngestResult],
    validated: Callable[..., ValidateResult],
    exit_code: int,
) -> None:
    open_run("good")
    commit("validate", validated(0, staged(DAYS[0])), "good")
    open_run("bad", first=DAYS[0], last=DAYS[2])
    commit("ingest", ingested(staged(DAYS[0]), staged(DAYS[1]), absent=(DAYS[2],)), "bad")
    commit("validate", exit_code, "bad")
    assert states(ledger) == ["committed", "failed", "absent", None, None]
    commit("ingest", exit_code, "bad")
    assert states(ledger) == ["committed", "failed", "failed", None, None]
    assert ledger.partition_rows(WORKLOAD, DAYS[0], DAYS[0])[0]["run_id"] == "good"


def test_a_transient_failure_leaves_its_days_open_until_the_run_fails(
    ledger: Ledger,
    open_run: Callable[..., int],
    commit: Commit,
    staged: Callable[..., StagedPartition],
    ingested: Callable[..., IngestResult],
) -> None:
    open_run("other", first=DAYS[2])
    commit("ingest", ingested(staged(DAYS[2])), "other")
    open_run(first=DAYS[0], last=DAYS[3])
    commit("ingest", ingested(staged(DAYS[0]), absent=(DAYS[1],)))
    commit("validate", 20)
    assert states(ledger) == ["staged", "absent", "staged", None, None]
    ledger.close_run("dag", "run", 0, state="failed", reason="gave up")
    assert states(ledger) == ["failed", "absent", "staged", "failed", None]


def test_a_failed_day_can_be_repaired(
    ledger: Ledger,
    open_run: Callable[..., int],
    commit: Commit,
    staged: Callable[..., StagedPartition],
    ingested: Callable[..., IngestResult],
    validated: Callable[..., ValidateResult],
) -> None:
    open_run()
    commit("ingest", 10)
    assert states(ledger)[0] == "failed"
    commit("ingest", ingested(staged()))
    commit("validate", validated(0, staged()))
    row = ledger.partition_rows(WORKLOAD, DAYS[0], DAYS[0])[0]
    assert (row["state"], row["reason"]) == ("committed", None)
