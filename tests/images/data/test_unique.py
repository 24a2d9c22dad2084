"""Each row once in a whole data set, by one process and by Spark; with PySpark both are held against each other."""

import importlib.util
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from millrace.contracts.data import Dataset, DatasetVersion, Window
from millrace.contracts.errors import BadInputError
from millrace.contracts.report import ValidateResult
from millrace.contracts.run_spec import IngestTask, RunSpec, ValidateTask
from millrace.step.main import Stop
from millrace.storage import files
from millrace_data.ingest import ingest
from millrace_data.validate import validate

MakeDataset = Callable[..., Dataset]
Days = Callable[[int], list[date]]
SPARK = pytest.param(
    "spark",
    marks=pytest.mark.skipif(importlib.util.find_spec("pyspark") is None, reason="this environment has no PySpark"),
)
ENGINES = ["arrow", SPARK]


class Site:
    """Runs ingest and validate over days, each try in a folder of its own."""

    def __init__(self, dataset: Dataset, arrive: Any, make_spec: Callable[..., RunSpec], folder: Path) -> None:
        self.dataset = dataset
        self.arrive = arrive
        self._make_spec = make_spec
        self.table = f"{folder.as_uri()}/table"
        self._tries = 0

    def run(self, engine: Any, first: date, last: date | None = None) -> ValidateResult:
        """A run over a window, after everything that the table holds."""
        self._tries += 1
        window = Window(first=first, last=last or first)
        staged = ingest(self._make_spec(self.dataset, IngestTask(window=window), f"ingest-{self._tries}"), Stop())
        held = DeltaTable(self.table) if DeltaTable.is_deltatable(self.table) else None
        task = ValidateTask(
            staged=staged.staged,
            dataset_uri=self.table,
            published=held and DatasetVersion(workload="w", uri=self.table, version=held.version(), until=window.last),
            engine=engine,
            live_profile=None,
            base_model=None,
        )
        return validate(self._make_spec(self.dataset, task, f"validate-{self._tries}"), Stop())

    def rows(self) -> dict[str, list[str]]:
        """The ids of each partition."""
        found: dict[str, list[str]] = {}
        for row in DeltaTable(self.table).to_pyarrow_table(columns=["id", "partition_"]).to_pylist():
            found.setdefault(str(row["partition_"])[-2:], []).append(row["id"])
        return {day: sorted(ids) for day, ids in sorted(found.items())}


def row(name: str, text: str | None) -> dict[str, Any]:
    return {"id": name, "text": text, "labels": ["a", "b", "c"], "split": "train"}


def texts(day: str, *numbers: int) -> list[dict[str, Any]]:
    return [row(f"{day}{number}", f"text {number}") for number in numbers]


@pytest.fixture
def site(text_dataset: MakeDataset, arrive: Any, make_spec: Any, tmp_path: Path) -> Callable[..., Site]:
    def make(name: str = "", **changes: Any) -> Site:
        dataset = text_dataset(**({"unique_by": ("text",), "deduplicate": "dataset"} | changes))
        return Site(dataset, arrive, make_spec, tmp_path / name)

    return make


@pytest.mark.parametrize("engine", ENGINES)
def test_a_row_stays_in_the_earliest_partition_of_window_and_data_set(
    site: Callable[..., Site], days: Days, engine: str
) -> None:
    here = site()
    first, second, third, fourth = days(4)
    here.arrive(here.dataset, texts("a", 1, 2), first)
    here.run(engine, first)
    here.arrive(here.dataset, texts("b", 2, 3), second)
    here.arrive(here.dataset, texts("c", 1, 3, 4, 5), third)
    result = here.run(engine, second, third)
    assert here.rows() == {"01": ["a1", "a2"], "02": ["b3"], "03": ["c4", "c5"]}
    assert [(staged.rows, staged.duplicates) for staged in result.published] == [(1, 1), (2, 2)]
    assert [profile.rows for profile in result.profiles.values()] == [1, 2]
    here.arrive(here.dataset, texts("d", 9, 10, 11, 12, 13), fourth)
    [untouched] = here.run(engine, fourth).published
    assert "/ingest-" in untouched.file_uri, "a partition that loses nothing was written again"


@pytest.mark.parametrize("engine", ENGINES)
def test_a_backfill_again_changes_nothing_and_a_late_day_only_what_is_done_again(
    site: Callable[..., Site], days: Days, engine: str
) -> None:
    here = site()
    first, second, third = days(3)
    here.arrive(here.dataset, texts("b", 1, 2), second)
    here.arrive(here.dataset, texts("c", 2, 3), third)
    for day in (second, third):
        here.run(engine, day)
    version = DeltaTable(here.table).version()
    for day in (second, third):
        assert here.run(engine, day).version == version, "an equal repeat is a new version"
    here.arrive(here.dataset, texts("a", 1, 3), first)
    here.run(engine, first)
    assert here.rows() == {"01": ["a1", "a3"], "02": ["b1", "b2"], "03": ["c3"]}, "a later partition was rewritten"
    here.run(engine, second)
    assert here.rows() == {"01": ["a1", "a3"], "02": ["b2"], "03": ["c3"]}
    with pytest.raises(BadInputError, match="every row is in an earlier partition already"):
        here.run(engine, third)
    assert here.rows()["03"] == ["c3"], "what was refused was published"


@pytest.mark.parametrize("engine", ENGINES)
def test_a_bad_partition_is_refused_with_the_counts(site: Callable[..., Site], days: Days, engine: str) -> None:
    from millrace.contracts.data import Expectations

    here = site(expectations=Expectations(min_rows=3))
    first, second = days(2)
    here.arrive(here.dataset, texts("a", 1, 2, 3), first)
    assert all(outcome.success for outcome in here.run(engine, first).outcomes)
    here.arrive(here.dataset, texts("b", 3, 4, 5), second)
    with pytest.raises(BadInputError, match="3 rows or more; observed 2"):
        here.run(engine, second)
    assert here.rows() == {"01": ["a1", "a2", "a3"]}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("nulls_equal", [False, True])
def test_rows_without_a_value_are_repeated_only_where_that_is_asked(
    site: Callable[..., Site], days: Days, engine: str, nulls_equal: bool
) -> None:
    from millrace.contracts.data import Column

    columns = [Column(name=name, type="string", nullable=name == "text") for name in ("id", "text", "split")]
    labels = Column(name="labels", type="list<string>")
    here = site(columns=(*columns, labels), nulls_equal=nulls_equal, unique_by=("text", "split"))
    first, second = days(2)
    here.arrive(here.dataset, [row("a1", "one"), *(row(f"a{number}", None) for number in (2, 3))], first)
    here.run(engine, first)
    here.arrive(here.dataset, [row("b1", "one"), row("b2", "two"), row("b3", None), row("b4", None)], second)
    here.run(engine, second)
    if nulls_equal:
        assert here.rows() == {"01": ["a1", "a2"], "02": ["b2"]}
    else:
        assert here.rows() == {"01": ["a1", "a2", "a3"], "02": ["b2", "b3", "b4"]}


@pytest.mark.parametrize("engine", ENGINES)
def test_long_unsigned_keys_and_younger_columns_are_compared_with_what_is_published(
    site: Callable[..., Site], days: Days, engine: str
) -> None:
    from millrace.contracts.data import Column

    largest = 2**64 - 1
    columns = [Column(name=name, type="string") for name in ("id", "text", "split")]
    labels = Column(name="labels", type="list<string>")
    number = Column(name="number", type="uint64", minimum=largest - 5)
    more = Column(name="more", type="date", nullable=True)
    first, second = days(2)
    here = site(columns=(*columns, labels, number), unique_by=("number",))
    here.arrive(here.dataset, [row(f"a{n}", "x") | {"number": largest - n} for n in range(3)], first)
    here.run(engine, first)
    here.arrive(here.dataset, [row(f"b{n}", "x") | {"number": largest - n} for n in range(2, 5)], second)
    here.run(engine, second)
    assert here.rows() == {"01": ["a0", "a1", "a2"], "02": ["b3", "b4"]}
    younger = site(columns=(*columns, labels, number, more), unique_by=("number", "more"), nulls_equal=True)
    younger.arrive(younger.dataset, [row(f"c{n}", "x") | {"number": largest - n, "more": None} for n in (1, 5)], second)
    younger.run(engine, second)
    assert younger.rows() == {"01": ["a0", "a1", "a2"], "02": ["c5"]}


def test_it_needs_the_columns_that_tell_rows_apart(text_dataset: MakeDataset) -> None:
    with pytest.raises(ValueError, match="needs unique_by"):
        text_dataset(unique_by=(), deduplicate="dataset")


@pytest.mark.parametrize("engine", [SPARK])
def test_both_engines_leave_the_same_rows_files_and_verdicts(
    site: Callable[..., Site], days: Days, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("millrace_data.staging._ROW_GROUP_BYTES", 1 << 14)
    window = days(4)
    delivered = [[(number * 79 + index * 13) % 700 for number in range(300)] for index in range(len(window))]
    earliest = {number: index for index in reversed(range(len(window))) for number in delivered[index]}
    results = []
    for name in ("arrow", engine):
        here = site(name)
        for index, day in enumerate(window):
            here.arrive(here.dataset, texts(f"{index}-", *delivered[index]), day)
        here.run(name, window[0], window[1])
        results.append((here.run(name, window[2], window[3]), here.rows()))
    (arrow, arrow_rows), (spark, spark_rows) = results
    assert spark_rows == arrow_rows
    expected = sorted(f"{index}-{number}" for number, index in earliest.items())
    assert sorted(name for names in arrow_rows.values() for name in names) == expected
    assert any(staged.duplicates for staged in arrow.published)
    assert spark.outcomes == arrow.outcomes
    assert spark.profiles == arrow.profiles
    for one, other in zip(arrow.published, spark.published, strict=True):
        assert one.content_sha256 == other.content_sha256
        assert pq.read_table(files.local_path(one.file_uri)) == pq.read_table(files.local_path(other.file_uri))
        assert files.sha256(one.file_uri) == files.sha256(other.file_uri)
