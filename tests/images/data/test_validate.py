import json
import os
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from millrace.contracts.data import Column, Dataset, Expectations, Profile, StagedPartition, Window
from millrace.contracts.errors import BadInputError, InterruptedStepError
from millrace.contracts.report import ValidateResult
from millrace.contracts.run_spec import IngestTask, RunSpec, ValidateTask
from millrace.runs import data_docs
from millrace.step.main import Skip, Stop
from millrace.storage import files
from millrace_data.ingest import ingest
from millrace_data.validate import validate

MakeDataset = Callable[..., Dataset]
MakeRows = Callable[[int], list[dict[str, Any]]]
Rows = list[dict[str, Any]]


# "spark" has Great Expectations' Spark engine give the verdicts (make spark-test)
ENGINE = os.environ.get("MILLRACE_TEST_ENGINE", "arrow")


class Lab:
    """Arrivals, ingest and validate of one dataset."""

    def __init__(
        self, dataset: Dataset, arrive: Callable[..., Path], make_spec: Callable[..., RunSpec], root: Path
    ) -> None:
        self.dataset = dataset
        self.arrive = arrive
        self.make_spec = make_spec
        self.table_uri = (root / "table").as_uri()
        self.docs_uri = ""

    def stage(self, arrivals: dict[date, Rows]) -> tuple[StagedPartition, ...]:
        for day, rows in arrivals.items():
            self.arrive(self.dataset, rows, on=day)
        task = IngestTask(window=Window(first=min(arrivals), last=max(arrivals)))
        return ingest(self.make_spec(self.dataset, task, "ingest"), Stop()).staged

    def validate(self, staged: tuple[StagedPartition, ...], stop: Stop | None = None, **task: Any) -> ValidateResult:
        fields = {"live_profile": None, "base_model": None, "engine": ENGINE} | task
        order = ValidateTask(staged=staged, dataset_uri=self.table_uri, **fields)
        spec = self.make_spec(self.dataset, order, "validate")
        self.docs_uri = data_docs.of_attempt(spec.attempt_uri)
        return validate(spec, stop or Stop())

    def table(self) -> pa.Table:
        return DeltaTable(self.table_uri).to_pyarrow_dataset().to_table()

    def is_empty(self) -> bool:
        return not DeltaTable.is_deltatable(self.table_uri)


@pytest.fixture
def lab(
    text_dataset: MakeDataset, arrive: Callable[..., Path], make_spec: Callable[..., RunSpec], tmp_path: Path
) -> Callable[..., Lab]:
    return lambda dataset=None: Lab(dataset or text_dataset(), arrive, make_spec, tmp_path)


MakeLab = Callable[..., Lab]
Days = Callable[[int], list[date]]


def _rewrite(staged: StagedPartition, change: Callable[[pa.Table], pa.Table]) -> StagedPartition:
    """A staged file changed behind ingest's back."""
    path = files.local_path(staged.file_uri)
    pq.write_table(change(pq.read_table(path)), path)
    return staged.model_copy(update={"rows": pq.read_metadata(path).num_rows})


def _set(name: str, row: int, value: object) -> Callable[[pa.Table], pa.Table]:
    def change(table: pa.Table) -> pa.Table:
        values = table[name].to_pylist()
        values[row] = value
        index = table.column_names.index(name)
        return table.set_column(index, table.schema.field(name), pa.array(values, table.schema.field(name).type))

    return change


def test_good_partitions_are_committed_documented_and_profiled(lab: MakeLab, text_rows: MakeRows, days: Days) -> None:
    it = lab()
    first, second = days(2)
    staged = it.stage({first: text_rows(60), second: text_rows(100)[60:]})
    result = it.validate(staged)
    assert result.published == staged
    assert all(outcome.success for outcome in result.outcomes)
    table = it.table()
    assert result.version == DeltaTable(it.table_uri).version()
    assert sorted(table["id"].to_pylist()) == sorted(row["id"] for row in text_rows(100))
    per_day = table.group_by("partition_").aggregate([("id", "count")]).to_pylist()
    assert {row["partition_"]: row["id_count"] for row in per_day} == {first: 60, second: 40}
    index = files.local_path(it.docs_uri)
    assert index.name == "index.html"
    pages = list(index.parent.rglob("validations/**/*.html"))
    assert len(pages) == 4  # rows and labels of two partitions
    profile = result.profiles["2026-01-01"]
    kept = text_rows(60)
    assert profile.rows == 60
    assert profile.label_counts == {label: sum(label in row["labels"] for row in kept) for label in "abc"}
    counted = pc.value_counts(table.filter(pc.equal(table["partition_"], first))["split_"]).to_pylist()
    assert profile.rows_by_split == {entry["values"]: entry["counts"] for entry in counted}
    assert profile.token_lengths is None
    assert profile.bytes > sum(len(row["text"]) for row in kept)
    for label, count in profile.train_label_counts.items():
        in_train = table.filter(pc.and_(pc.equal(table["partition_"], first), pc.equal(table["split_"], "train")))
        assert count == sum(label in labels for labels in in_train["labels"].to_pylist())


def test_the_second_workload_passes_the_same_code(
    lab: MakeLab, number_dataset: MakeDataset, number_rows: MakeRows, days: Days
) -> None:
    it = lab(number_dataset())
    result = it.validate(it.stage({days(1)[0]: number_rows(60)}))
    assert it.table().num_rows == 60
    assert result.profiles["2026-01-01"].label_counts == {"x": 30, "y": 30}
    rules = {(outcome.expectation, outcome.column) for outcome in result.outcomes}
    assert ("expect_column_values_to_be_between", "width") in rules
    assert ("expect_column_values_to_not_be_null", "known") in rules
    assert ("expect_column_values_to_not_be_null", "count") not in rules


def test_the_same_content_again_makes_no_version(lab: MakeLab, text_rows: MakeRows, days: Days) -> None:
    it = lab()
    first, second = days(2)
    staged = it.stage({first: text_rows(60), second: text_rows(100)[60:]})
    version = it.validate(staged).version
    assert it.validate(it.stage({first: text_rows(60), second: text_rows(100)[60:]})).version == version
    assert it.validate(it.stage({second: text_rows(90)[60:]})).version == version + 1
    assert it.table().num_rows == 90
    both = it.stage({first: text_rows(60), second: text_rows(100)[60:]})
    assert it.validate(both).version == version + 2  # the first day's content was there, the second's was not
    assert it.table().num_rows == 100
    # and the history says which run made which version, of which partition and from which file
    wrote = [entry for entry in reversed(DeltaTable(it.table_uri).history()) if "partition" in entry]
    assert [entry["partition"] for entry in wrote] == [str(first), str(second), str(second), str(second)]
    assert all((entry["dag_id"], entry["run_id"], entry["repeat"]) == ("d", "r", "0") for entry in wrote)
    assert all(entry["partition"] in entry["source"] for entry in wrote)


@pytest.mark.parametrize("day", [date(2026, 1, 24), date(2026, 1, 31)])
def test_a_late_day_of_a_month_is_a_day_like_others(lab: MakeLab, text_rows: MakeRows, day: date) -> None:
    it = lab()
    it.validate(it.stage({day: text_rows(20)}))
    assert it.table().num_rows == 20


FAULTS: dict[str, tuple[Callable[[pa.Table], pa.Table], str, str]] = {
    "a null": (_set("text", 3, None), "column 'text': complete", "1 of 40"),
    "a long text": (
        _set("text", 3, "s3cret" * 999),
        "column 'text': min_length 1 and max_length 2,000 characters",
        "1 of",
    ),
    "an unknown label": (_set("labels", 3, ["s3cret"]), "column 'label': one of target.labels", "1 of 4"),
    "an unknown split": (_set("split_", 3, "s3cret"), "column 'split_': one of Millrace's splits", "1 of 40"),
    "a null split": (_set("split_", 3, None), "column 'split_': complete", "1 of 40"),
    "an odd source split": (_set("split", 3, "s3cret"), "column 'split': train or test", "1 of 40"),
    "a column less": (lambda table: table.drop_columns(["split"]), "all columns: the columns", "not so"),
    "a column more": (lambda table: table.append_column("x", table["id"]), "all columns: the columns", "not so"),
    "too few rows": (lambda table: table.slice(0, 9), "all columns: 10 to 50 rows", "observed 9"),
    "too many rows": (lambda table: pa.concat_tables([table, table]), "all columns: 10 to 50 rows", "observed 80"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_one_broken_rule_commits_nothing(
    lab: MakeLab, text_dataset: MakeDataset, text_rows: MakeRows, days: Days, fault: str, tmp_path: Path
) -> None:
    change, rule, counts = FAULTS[fault]
    it = lab(text_dataset(expectations=Expectations(min_rows=10, max_rows=50)))
    good, bad = it.stage({days(2)[0]: text_rows(40), days(2)[1]: text_rows(40)})
    with pytest.raises(BadInputError) as caught:
        it.validate((good, _rewrite(bad, change)))
    said = str(caught.value)
    assert f"partition 2026-01-02, {rule}" in said
    assert counts in said
    assert "s3cret" not in said
    assert it.is_empty()
    assert (tmp_path / "validate" / "out" / "docs" / "index.html").exists()


def test_numbers_out_of_range_are_found(
    lab: MakeLab, number_dataset: MakeDataset, number_rows: MakeRows, days: Days
) -> None:
    it = lab(number_dataset())
    (staged,) = it.stage({days(1)[0]: number_rows(60)})
    with pytest.raises(BadInputError, match=r"column 'width': minimum 0 and maximum 10; 1 of 60"):
        it.validate((_rewrite(staged, _set("width", 5, 99.0)),))
    assert it.is_empty()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-10]), "missing or damaged"),
        (Path.unlink, "missing or damaged"),
        (lambda path: pq.write_table(pq.read_table(path).slice(1), path), "39 rows where ingest reported 40"),
        (
            lambda path: pq.write_table(pq.read_table(path).cast(_large_text(pq.read_schema(path))), path),
            "column 'text' is large_string",
        ),
    ],
)
def test_a_staged_file_that_is_not_as_reported_is_refused(
    lab: MakeLab, text_rows: MakeRows, days: Days, change: Callable[[Path], object], said: str
) -> None:
    it = lab()
    (staged,) = it.stage({days(1)[0]: text_rows(40)})
    change(files.local_path(staged.file_uri))
    with pytest.raises(BadInputError, match=said):
        it.validate((staged,))
    assert it.is_empty()


def _large_text(schema: pa.Schema) -> pa.Schema:
    return schema.set(1, pa.field("text", pa.large_string()))


def _profile(**changes: Any) -> Profile:
    fields: dict[str, Any] = {
        "rows": 90,
        "bytes": 1,
        "rows_by_split": {"train": 90},
        "label_counts": {"a": 60, "b": 60, "c": 60},
    }
    return Profile(**(fields | {"train_label_counts": fields["label_counts"]} | changes))


def test_a_day_without_a_row_of_a_label_is_a_normal_day(lab: MakeLab, text_rows: MakeRows, days: Days) -> None:
    it = lab()
    rows = [row | {"labels": ["a"] if row["split"] == "train" else ["b"]} for row in text_rows(60)]
    result = it.validate(it.stage({days(1)[0]: rows}))
    assert it.table().num_rows == 60
    assert set(result.profiles["2026-01-01"].train_label_counts) == {"a"}


@pytest.mark.parametrize(("rows", "live_rows", "refused"), [(6, 25, False), (1000, 25, True), (1000, 15, False)])
def test_a_label_that_is_away_for_a_day_is_judged_by_what_chance_may_do(
    lab: MakeLab, text_rows: MakeRows, days: Days, rows: int, live_rows: int, refused: bool
) -> None:
    it = lab()
    staged = it.stage({days(1)[0]: [row | {"labels": ["a"]} for row in text_rows(rows)]})
    live = _profile(rows=100, label_counts={"a": 95, "b": live_rows, "c": 1})
    if refused:
        with pytest.raises(BadInputError, match=r"1 of 3 break it: b -0\.250"):
            it.validate(staged, live_profile=live)
    else:
        it.validate(staged, live_profile=live)
    assert it.is_empty() == refused


def test_a_balance_far_from_the_live_one_is_refused(lab: MakeLab, text_rows: MakeRows, days: Days) -> None:
    it = lab()
    staged = it.stage({days(1)[0]: text_rows(60)})
    with pytest.raises(BadInputError, match=r"share of rows differs by at most 0\.2 .*; 1 of 3 break it: b \+0\.6"):
        it.validate(staged, live_profile=_profile(label_counts={"a": 60, "b": 1, "c": 60}))
    assert it.is_empty()
    it.validate(staged, live_profile=_profile())


def test_several_failures_are_all_said(lab: MakeLab, text_rows: MakeRows, days: Days) -> None:
    it = lab()
    staged = it.stage({days(2)[0]: text_rows(40), days(2)[1]: text_rows(40)})
    broken = tuple(_rewrite(part, _set("text", 0, None)) for part in staged)
    with pytest.raises(BadInputError) as caught:
        it.validate(broken)
    assert "2 of" in caught.value.what
    assert "partition 2026-01-01" in caught.value.what
    assert "partition 2026-01-02" in caught.value.what


def test_docs_hold_no_text(lab: MakeLab, text_rows: MakeRows, days: Days, tmp_path: Path) -> None:
    it = lab()
    (staged,) = it.stage({days(1)[0]: text_rows(40)})
    with pytest.raises(BadInputError):
        it.validate((_rewrite(staged, _set("text", 3, "s3cret" * 999)),))
    pages = (tmp_path / "validate" / "out" / "docs").rglob("*.html")
    assert not any("s3cret" in page.read_text() for page in pages)


def test_a_changed_declaration_meets_its_old_table(
    lab: MakeLab, text_dataset: MakeDataset, text_rows: MakeRows, days: Days
) -> None:
    it = lab()
    it.validate(it.stage({days(1)[0]: text_rows(40)}))
    version = DeltaTable(it.table_uri).version()
    columns = (*text_dataset().columns, Column(name="more", type="int64"))
    other = lab(text_dataset(columns=columns))
    staged = other.stage({days(2)[1]: [row | {"more": 1} for row in text_rows(40)]})
    with pytest.raises(BadInputError, match="columns are not the workload's"):
        other.validate(staged)
    assert DeltaTable(it.table_uri).version() == version


def test_a_stop_before_the_commit_commits_nothing(lab: MakeLab, text_rows: MakeRows, days: Days) -> None:
    it = lab()
    staged = it.stage({days(1)[0]: text_rows(40)})
    stop = Stop()
    stop.request()
    with pytest.raises(InterruptedStepError):
        it.validate(staged, stop=stop)
    assert it.is_empty()


def test_nothing_staged_is_nothing_to_do(lab: MakeLab) -> None:
    with pytest.raises(Skip):
        lab().validate(())


def test_the_log_of_the_table_holds_no_row_values(lab: MakeLab, text_rows: MakeRows, days: Days) -> None:
    it = lab()
    it.validate(it.stage({days(1)[0]: text_rows(40)}))
    log = files.local_path(it.table_uri) / "_delta_log"
    entries = [json.loads(line) for file in log.glob("*.json") for line in file.read_text().splitlines()]
    assert any("add" in entry for entry in entries)
    assert "message" not in json.dumps(entries)
