"""A data set's generations: days and versions of their own, and a new one's model takes over from the old one's."""

import sqlite3
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest

from millrace.contracts.data import DatasetVersion, StagedPartition
from millrace.contracts.errors import RefusedError
from millrace.contracts.plan import Plan
from millrace.contracts.report import ExportResult, IngestResult, Report, ValidateResult
from millrace.contracts.run_spec import TryKey
from millrace.ledger.ledger import Ledger
from millrace.ledger.records import Actor, RunKey
from millrace.storage.packaged import SQL

DAY = date(2024, 3, 1)


@pytest.fixture
def publish(
    ledger: Ledger,
    key: Callable[..., TryKey],
    report: Callable[..., Report],
    staged: Callable[..., StagedPartition],
    ingested: Callable[..., IngestResult],
    validated: Callable[..., ValidateResult],
) -> Callable[..., None]:
    """A run of a generation publishes a day as a version of its table."""

    def publish(day: date, version: int, generation: int, rows: int) -> None:
        run_id = f"run-{day}-{generation}"
        ledger.open_run(
            "dag", run_id, workload="news", team="core", site="local", partition_first=day, partition_last=day,
            run_type="manual", generation=generation,
        )  # fmt: skip
        ledger.commit_report(key("ingest", run_id), report(ingested(staged(day, rows))), "i")
        found = validated(version, staged(day, rows)).model_copy(update={"dataset_uri": f"file:///store/g{generation}"})
        ledger.commit_report(key("validate", run_id), report(found), "v")

    return publish


def test_each_generation_has_its_own_days_versions_and_profile(ledger: Ledger, publish: Callable[..., None]) -> None:
    publish(DAY, 0, 1, rows=10)
    publish(DAY + timedelta(days=1), 1, 1, rows=20)
    publish(DAY, 0, 2, rows=5)  # the same version number, of another table
    last = DAY + timedelta(days=1)
    assert ledger.settled_partitions("news", DAY, last) == {DAY: "committed", last: "committed"}
    assert ledger.settled_partitions("news", DAY, last, generation=2) == {DAY: "committed"}
    first = ledger.latest_dataset("news", date.max)
    second = ledger.latest_dataset("news", date.max, generation=2)
    assert first == DatasetVersion(workload="news", uri="file:///store/g1", version=1, until=last)
    assert second == DatasetVersion(workload="news", uri="file:///store/g2", version=0, until=DAY, generation=2)
    profiles = [ledger.profile("news", until=date.max, generation=number) for number in (1, 2, 3)]
    assert [profile and profile.rows for profile in profiles] == [30, 5, None]
    assert ledger.latest_dataset("news", date.max, generation=3) is None
    assert {row["uri"] for row in ledger.newest_versions()} == {"file:///store/g1", "file:///store/g2"}


def test_a_failed_run_of_a_generation_says_nothing_of_the_others_days(
    ledger: Ledger, publish: Callable[..., None]
) -> None:
    publish(DAY, 0, 1, rows=10)
    ledger.open_run(
        "dag", "second", workload="news", team="core", site="local", partition_first=DAY, partition_last=DAY,
        run_type="manual", generation=2,
    )  # fmt: skip
    ledger.close_run("dag", "second", 0, state="failed", reason="x")
    assert ledger.settled_partitions("news", DAY, DAY) == {DAY: "committed"}
    assert ledger.settled_partitions("news", DAY, DAY, generation=2) == {DAY: "failed"}


@pytest.mark.parametrize(("until", "takes_over"), [(DAY - timedelta(days=1), False), (DAY, True)])
def test_a_new_generation_takes_over_once_it_has_the_same_newest_day(
    ledger: Ledger,
    open_run: Callable[..., int],
    key: Callable[..., TryKey],
    report: Callable[..., Report],
    plan: Callable[..., Plan],
    exported: Callable[..., ExportResult],
    until: date,
    takes_over: bool,
) -> None:
    for version, day, number, table in (("old", DAY, 1, 9), ("new", until, 2, 0)):
        dataset = DatasetVersion(workload="news", uri=f"file:///g{number}", version=table, until=day, generation=number)
        open_run(version)
        ledger.store_plan("dag", version, 0, plan(dataset=dataset))
        ledger.commit_report(key("export", version), report(exported(version)), "p")
    ledger.promote("news", "old", by=Actor.of(RunKey("dag", "old", 0)))
    found = ledger.model("news", "new")
    assert found is not None
    assert found.dataset.generation == 2
    if takes_over:
        assert ledger.promote("news", "new", by=Actor.of(RunKey("dag", "new", 0))) == "old"
        with pytest.raises(RefusedError, match="generation 2, version 0"):
            ledger.promote("news", "old", by=Actor.of(RunKey("dag", "again", 0)))
    else:
        with pytest.raises(RefusedError, match="newer data"):
            ledger.promote("news", "new", by=Actor.of(RunKey("dag", "new", 0)))


def test_what_was_there_is_the_first_generation(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "ledger.db")
    connection.execute("PRAGMA foreign_keys = ON")
    for migration in sorted((SQL / "migrations").glob("*.sql")):
        if migration.stem == "0012_a_table_a_generation":
            connection.executescript("""
                INSERT INTO runs VALUES ('d', 'r', 0, 'news', 't', 's', '2024-03-01', '2024-03-01', 'manual', 'running',
                    NULL, 'micro_f1', NULL, NULL, NULL, NULL, '2024', NULL, 0, NULL);
                INSERT INTO dataset_versions VALUES ('news', 4, 'file:///d', 'file:///docs', 'd', 'r', 0, '2024');
                INSERT INTO partitions VALUES ('news', '2024-03-01', 'committed', NULL, 7, 1, 'file:///a', 9, 'abc',
                    '{}', 4, 'd', 'r', 0, '2024');
            """)
        connection.executescript(migration.read_text())
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    (row,) = ledger.partition_rows("news", DAY, DAY)
    assert (row["state"], row["row_count"], row["dataset_version"], row["source_uri"]) == (
        "committed",
        7,
        4,
        "file:///a",
    )
    assert ledger.latest_dataset("news", DAY) == DatasetVersion(workload="news", uri="file:///d", version=4, until=DAY)
    assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    with pytest.raises(sqlite3.IntegrityError):
        connection.execute("UPDATE partitions SET dataset_version = 5")
