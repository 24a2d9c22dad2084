"""Every type of column: out of Parquet as it is found there, through staging and the suite, into the Delta table."""

import datetime
import uuid
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from millrace.contracts.data import Column, Dataset, Source, Split, StagedPartition, Target
from millrace.contracts.errors import BadInputError
from millrace.contracts.report import ValidateResult
from millrace.contracts.run_spec import RunSpec, ValidateTask
from millrace.step.main import Stop
from millrace.storage.row_keys import key_hashes
from millrace_data import ingest
from millrace_data.judge import Judge, row_expectations
from millrace_data.measure import Measurements
from millrace_data.validate import validate

Arrive = Callable[..., Path]
Stage = Callable[..., StagedPartition]
MakeSpec = Callable[..., RunSpec]

UTC = datetime.UTC
NOON = datetime.datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def dataset(tmp_path: Path) -> Callable[..., Dataset]:
    """A data set of an id, a label and the given columns."""

    def make(*columns: Column, **changes: Any) -> Dataset:
        fields: dict[str, Any] = {
            "source": Source(
                uri_template=f"{tmp_path.as_uri()}/arrivals/{{partition}}.parquet",
                format="parquet",
                quiet_seconds=0,
            ),
            "columns": (Column(name="id", type="int64"), Column(name="label", type="string"), *columns),
            "features": ("id",),
            "target": Target(column="label", kind="single_label", labels=("x", "y")),
            "split": Split(key="id"),
        }
        return Dataset(**(fields | changes))

    return make


def table(**columns: pa.Array) -> pa.Table:
    """The columns beside an id and a label of as many rows."""
    rows = len(next(iter(columns.values())))
    return pa.table({"id": range(rows), "label": ["xy"[number % 2] for number in range(rows)], **columns})


def deliver(dataset: Dataset, arrive: Arrive, content: pa.Table) -> None:
    sink = pa.BufferOutputStream()
    pq.write_table(content, sink)
    arrive(dataset, sink.getvalue().to_pybytes())


INT64, UINT64 = [-(2**63), 2**63 - 1, None], [0, 2**64 - 1, None]
TEXTS, BYTES = ["a", None, "ä🙂"], [b"\xff\x00", None, b""]
DAYS = [datetime.date(1, 1, 1), None, datetime.date(9999, 12, 31)]
LISTS = [[1, -2], None, [3, 4], []]
TAKEN: list[tuple[pa.Array, str, list[Any]]] = [
    (pa.array([-128, 127, None], pa.int8()), "int8", [-128, 127, None]),
    (pa.array([-128, 127, None], pa.int8()), "int64", [-128, 127, None]),
    (pa.array([0, 255, None], pa.uint8()), "int16", [0, 255, None]),
    (pa.array([0, 2**32 - 1, None], pa.uint32()), "int64", [0, 2**32 - 1, None]),
    (pa.array([0, 65535, None], pa.uint16()), "uint64", [0, 65535, None]),
    (pa.array([-(2**31), 2**31 - 1, None], pa.int32()), "int64", [-(2**31), 2**31 - 1, None]),
    (pa.array(INT64), "int64", INT64),
    (pa.array(UINT64, pa.uint64()), "uint64", UINT64),
    (pa.array(UINT64, pa.uint64()), "decimal(20,0)", [None if v is None else Decimal(v) for v in UINT64]),
    (pa.array(INT64), "decimal(19,0)", [None if v is None else Decimal(v) for v in INT64]),
    (pa.array([2**53, -(2**53), None]), "float64", [2.0**53, -(2.0**53), None]),
    (pa.array([2**24, -(2**24), None], pa.int32()), "float32", [2.0**24, -(2.0**24), None]),
    (pa.array([1.5, -0.25, None], pa.float16()), "float32", [1.5, -0.25, None]),
    (pa.array([1.5, 3.4028234663852886e38, None], pa.float32()), "float64", [1.5, 3.4028234663852886e38, None]),
    (pa.array([0.1, 1.7976931348623157e308, None]), "float64", [0.1, 1.7976931348623157e308, None]),
    (pa.array([Decimal("1.50"), None], pa.decimal32(5, 2)), "decimal(7,3)", [Decimal("1.500"), None]),
    (pa.array([Decimal("-1.50"), None], pa.decimal256(20, 2)), "decimal(38,2)", [Decimal("-1.50"), None]),
    (pa.array([Decimal(10**18 - 1), None], pa.decimal128(18, 0)), "int64", [10**18 - 1, None]),
    (pa.array([True, False, None]), "bool", [True, False, None]),
    (pa.array(TEXTS), "string", TEXTS),
    (pa.array(TEXTS, pa.large_string()), "string", TEXTS),
    (pa.array(TEXTS, pa.string_view()), "string", TEXTS),
    (pa.array(TEXTS).dictionary_encode(), "string", TEXTS),
    (pa.array(BYTES), "binary", BYTES),
    (pa.array(BYTES, pa.large_binary()), "binary", BYTES),
    (pa.array(BYTES, pa.binary_view()), "binary", BYTES),
    (pa.array([b"ab", None], pa.binary(2)), "binary", [b"ab", None]),
    (
        pa.ExtensionArray.from_storage(pa.uuid(), pa.array([uuid.UUID(int=7).bytes, None], pa.binary(16))),
        "binary",
        [uuid.UUID(int=7).bytes, None],
    ),
    (pa.array(DAYS, pa.date32()), "date", DAYS),
    (pa.array([86_400_000, None], pa.date64()), "date", [datetime.date(1970, 1, 2), None]),
    (pa.array([NOON, None], pa.timestamp("s", "UTC")), "timestamp", [NOON, None]),
    (pa.array([NOON, None], pa.timestamp("ms", "Asia/Tokyo")), "timestamp", [NOON, None]),
    (pa.array([NOON, None], pa.timestamp("us", "+05:30")), "timestamp", [NOON, None]),
    (pa.array([1000, None], pa.timestamp("ns", "UTC")), "timestamp", [NOON.replace(1970, hour=0, microsecond=1), None]),
    (pa.array(LISTS, pa.list_(pa.int8())), "list<int64>", LISTS),
    (pa.array(LISTS, pa.large_list(pa.int16())), "list<int16>", LISTS),
    (pa.array(LISTS, pa.list_view(pa.int32())), "list<int32>", LISTS),
    (pa.array(LISTS[:3], pa.list_(pa.int32(), 2)), "list<int64>", LISTS[:3]),
    (pa.array([["a"], None], pa.list_(pa.dictionary(pa.int8(), pa.string()))), "list<string>", [["a"], None]),
    (pa.array([[[1], []], None, []], pa.list_(pa.list_(pa.uint8()))), "list<list<int16>>", [[[1], []], None, []]),
    (pa.array([[2**64 - 1], None], pa.list_(pa.uint64())), "list<uint64>", [[2**64 - 1], None]),
    (pa.array([[NOON], None], pa.list_(pa.timestamp("ns", "UTC"))), "list<timestamp>", [[NOON], None]),
    (pa.nulls(2), "list<timestamp>", [None, None]),
]


def _named(case: object) -> str:
    return str(case.type) if isinstance(case, pa.Array) else case if isinstance(case, str) else ""


@pytest.mark.parametrize(("found", "declared", "expected"), TAKEN, ids=_named)
def test_a_type_that_holds_no_more_than_the_declared_one_is_taken(
    dataset: Callable[..., Dataset], arrive: Arrive, stage: Stage, found: pa.Array, declared: str, expected: list[Any],
    rows_of: Callable[[StagedPartition], list[dict[str, Any]]],
) -> None:  # fmt: skip
    it = dataset(Column(name="v", type=declared, nullable=True, source_name="The Value"))
    deliver(it, arrive, table(**{"The Value": found}))
    assert [row["v"] for row in rows_of(stage(it))] == expected


REFUSED: list[tuple[pa.DataType, str]] = [
    (pa.int64(), "int32"),
    (pa.int8(), "uint8"),
    (pa.uint64(), "int64"),
    (pa.float64(), "int64"),
    (pa.float64(), "float32"),
    (pa.float64(), "decimal(38,10)"),
    (pa.decimal128(10, 2), "float64"),
    (pa.decimal128(10, 2), "int64"),
    (pa.decimal128(19, 0), "int64"),
    (pa.decimal128(10, 2), "decimal(10,3)"),
    (pa.decimal128(10, 2), "decimal(9,1)"),
    (pa.int64(), "decimal(20,2)"),
    (pa.int64(), "string"),
    (pa.int64(), "bool"),
    (pa.int64(), "timestamp"),
    (pa.bool_(), "int64"),
    (pa.string(), "int64"),
    (pa.binary(), "string"),
    (pa.string(), "binary"),
    (pa.timestamp("us", "UTC"), "date"),
    (pa.date32(), "timestamp"),
    (pa.list_(pa.int64()), "list<int32>"),
    (pa.int64(), "list<int64>"),
    (pa.list_(pa.int64()), "int64"),
    (pa.struct([("a", pa.int64())]), "string"),
    (pa.map_(pa.string(), pa.int64()), "list<int64>"),
    (pa.time64("us"), "int64"),
]


@pytest.mark.parametrize(("found", "declared"), REFUSED, ids=str)
def test_a_type_that_could_lose_something_is_refused_by_name(
    dataset: Callable[..., Dataset], arrive: Arrive, stage: Stage, found: pa.DataType, declared: str
) -> None:
    it = dataset(Column(name="v", type=declared, nullable=True, source_name="The Value"))
    deliver(it, arrive, table(**{"The Value": pa.array([None, None], found)}))
    with pytest.raises(BadInputError) as caught:
        stage(it)
    assert str(found).split("<")[0].split("[")[0] in caught.value.what
    assert "field 'The Value'" in caught.value.where
    assert caught.value.rule.startswith(declared)


def test_a_timestamp_without_a_zone_is_refused_with_the_remedy(
    dataset: Callable[..., Dataset], arrive: Arrive, stage: Stage
) -> None:
    it = dataset(Column(name="v", type="timestamp"))
    deliver(it, arrive, table(v=pa.array([0, 1], pa.timestamp("us"))))
    with pytest.raises(BadInputError, match=r"without a time zone[\s\S]*isAdjustedToUTC"):
        stage(it)


VALUES: list[tuple[pa.Array, str, str]] = [
    (pa.array([1000, 1, 2], pa.timestamp("ns", "UTC")), "timestamp", "whole microseconds"),
    (pa.array([0, 2**62], pa.timestamp("ms", "UTC")), "timestamp", "whole microseconds"),
    (pa.array([0, 2**53 + 1]), "float64", "2**53"),
    (pa.array([0, 2**24 + 1], pa.int32()), "float32", "2**24"),
    (pa.array([[0], [1, 2**53 + 1]]), "list<float64>", "2**53"),
]


@pytest.mark.parametrize(("found", "declared", "rule"), VALUES, ids=_named)
def test_a_value_that_would_be_another_is_named_by_its_row(
    dataset: Callable[..., Dataset], arrive: Arrive, stage: Stage, found: pa.Array, declared: str, rule: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("millrace_data.parquet.MAX_BATCH_ROWS", 1)
    it = dataset(Column(name="v", type=declared))
    deliver(it, arrive, table(v=found))
    with pytest.raises(BadInputError, match=r"row 2, field 'v'") as caught:
        stage(it)
    assert rule in caught.value.rule


BEYOND_THE_CALENDAR = [
    (pa.array([0, 10_000_000], pa.date32()), "date"),
    (pa.array([0, 2**62], pa.timestamp("us", "UTC")), "timestamp"),
]


@pytest.mark.parametrize(("found", "declared"), BEYOND_THE_CALENDAR, ids=_named)
def test_a_year_that_no_calendar_has_is_refused(
    dataset: Callable[..., Dataset], arrive: Arrive, stage: Stage, found: pa.Array, declared: str
) -> None:
    it = dataset(Column(name="v", type=declared))
    deliver(it, arrive, table(v=found))
    with pytest.raises(BadInputError, match=r"years 1 to 9999"):
        stage(it)


@pytest.mark.parametrize(
    ("items", "said"),
    [([["a"], ["b", None]], "an item of the list is null"), ([[0.5], [float("nan")]], "NaN or infinite")],
)
def test_items_of_lists_are_whole(
    dataset: Callable[..., Dataset], arrive: Arrive, stage: Stage, items: list[Any], said: str
) -> None:
    kind = "string" if said.startswith("an item of the list is null") else "float64"
    it = dataset(Column(name="v", type=f"list<list<{kind}>>"))
    deliver(it, arrive, table(v=pa.array([[], [items[0]], items])))
    with pytest.raises(BadInputError, match=r"row 3, field 'v'") as caught:
        stage(it)
    assert said in caught.value.what


EVERY: dict[str, tuple[str, list[Any]]] = {
    "i8": ("int8", [-128, 127]),
    "i16": ("int16", [-(2**15), 2**15 - 1]),
    "i32": ("int32", [-(2**31), 2**31 - 1]),
    "i64": ("int64", [-(2**63), 2**63 - 1]),
    "u8": ("uint8", [0, 255]),
    "u16": ("uint16", [0, 65535]),
    "u32": ("uint32", [0, 2**32 - 1]),
    "u64": ("uint64", [0, 2**64 - 1]),
    "f32": ("float32", [-1.5, 3.4028234663852886e38]),
    "f64": ("float64", [5e-324, -1.7976931348623157e308]),
    "money": ("decimal(38,10)", [Decimal("-1.5"), Decimal(10) ** 27]),
    "flag": ("bool", [True, False]),
    "text": ("string", ["", "🙂"]),
    "raw": ("binary", [b"", b"\xff\x00"]),
    "day": ("date", [datetime.date(1, 1, 1), datetime.date(9999, 12, 31)]),
    "at": ("timestamp", [NOON, datetime.datetime(1, 1, 1, tzinfo=UTC)]),
    "bytes_": ("list<uint8>", [[], [0, 255]]),
    "deep": ("list<list<uint64>>", [[[2**64 - 1], []], []]),
    "days": ("list<date>", [[datetime.date(1, 1, 1)], []]),
}  # fmt: skip


def _arrow(declared: str) -> pa.DataType:
    from millrace.contracts.column_types import column_kind
    from millrace_data.schema import arrow_type

    return arrow_type(column_kind(declared))


def _published(it: Dataset, staged: StagedPartition, make_spec: MakeSpec, folder: Path) -> ValidateResult:
    task = ValidateTask(staged=(staged,), dataset_uri=(folder / "table").as_uri(), live_profile=None, base_model=None)
    return validate(make_spec(it, task, "validate"), Stop())


@pytest.mark.parametrize("nullable", [False, True])
def test_every_type_is_validated_and_published_as_it_is(
    dataset: Callable[..., Dataset], arrive: Arrive, stage: Stage, make_spec: MakeSpec, tmp_path: Path, nullable: bool
) -> None:
    more = [None] if nullable else []
    columns = [Column(name=name, type=declared, nullable=nullable) for name, (declared, _) in EVERY.items()]
    it = dataset(*columns, unique_by=tuple(EVERY))
    content = {name: pa.array([*values, *more], _arrow(declared)) for name, (declared, values) in EVERY.items()}
    deliver(it, arrive, table(**content))
    staged = stage(it)
    assert staged.duplicates == 0
    result = _published(it, staged, make_spec, tmp_path)
    held = DeltaTable(result.dataset_uri).to_pyarrow_table()
    rows = sorted(held.to_pylist(), key=lambda row: row["id"])
    for name, (_, values) in EVERY.items():
        assert [row[name] for row in rows] == [*values, *more], name
    assert {name: str(held.schema.field(name).type) for name in ("u8", "u16", "u32", "u64")} == {
        "u8": "int16", "u16": "int32", "u32": "int64", "u64": "decimal128(20, 0)",
    }  # fmt: skip
    assert all(outcome.success for outcome in result.outcomes)
    assert _published(it, staged, make_spec, tmp_path).version == result.version


BOUNDS: list[tuple[str, dict[str, Any], list[Any], list[Any]]] = [
    # declared, its bounds, values that keep them, values that do not
    ("int64", {"minimum": 2**53 + 1}, [2**53 + 1, 2**63 - 1], [2**53, -(2**63)]),
    ("int64", {"maximum": 2**53}, [2**53, -(2**63)], [2**53 + 1, 2**63 - 1]),
    ("int64", {"maximum": 2.0**53}, [2**53], [2**53 + 1]),
    ("int64", {"minimum": 0, "maximum": 1e19}, [0, 2**63 - 1], [-1]),
    ("int64", {"minimum": -1e300, "maximum": 1e300}, [-(2**63), 2**63 - 1], []),
    ("int64", {"minimum": 2**63}, [], [2**63 - 1, 0]),
    ("int64", {"minimum": 0.5, "maximum": 1.5}, [1], [0, 2]),
    ("int64", {"minimum": 0.2, "maximum": 0.8}, [], [0, 1]),
    ("int8", {"minimum": -1000, "maximum": 1000}, [-128, 127], []),
    ("int8", {"minimum": 1000}, [], [127]),
    ("uint64", {"minimum": 2**64 - 1}, [2**64 - 1], [2**64 - 2, 0]),
    ("uint64", {"maximum": 2**63}, [2**63, 0], [2**63 + 1, 2**64 - 1]),
    ("uint64", {"maximum": 1.8e19}, [18 * 10**18], [18 * 10**18 + 1]),
    ("uint8", {"minimum": -5}, [0, 255], []),
    ("float64", {"maximum": 2**53 + 1}, [2.0**53], [2.0**53 + 2]),
    ("float64", {"minimum": 2**53 + 1}, [2.0**53 + 2], [2.0**53]),
    ("float64", {"maximum": 10**400}, [1.7976931348623157e308], []),
    ("float64", {"minimum": 10**400}, [], [1.7976931348623157e308]),
    ("float64", {"minimum": 0.1}, [0.1], [0.09999999999999999]),
    ("float32", {"maximum": 0.1}, [0.1], [0.10000001639127731]),
    ("float32", {"maximum": 2**24 + 1}, [2.0**24], [2.0**24 + 2]),
    ("float32", {"maximum": 1e300}, [3.4028234663852886e38], []),
    ("decimal(5,2)", {"minimum": 0.1}, [Decimal("0.10")], [Decimal("0.09")]),
    ("decimal(5,2)", {"maximum": 0.3}, [Decimal("0.30")], [Decimal("0.31")]),
    ("decimal(5,2)", {"maximum": 1e9}, [Decimal("999.99")], []),
    ("decimal(5,2)", {"minimum": 1000}, [], [Decimal("999.99")]),
    ("decimal(5,2)", {"maximum": 0.005}, [Decimal("0.00")], [Decimal("0.01")]),
    ("decimal(38,0)", {"maximum": 10**37}, [Decimal(10) ** 37], [Decimal(10**37 + 1)]),
]  # fmt: skip


@pytest.mark.parametrize(("declared", "limits", "good", "bad"), BOUNDS, ids=str)
def test_bounds_are_compared_exactly_when_rows_are_read(
    dataset: Callable[..., Dataset], arrive: Arrive, stage: Stage,
    declared: str, limits: dict[str, Any], good: list[Any], bad: list[Any],
) -> None:  # fmt: skip
    it = dataset(Column(name="v", type=declared, nullable=True, **limits))
    deliver(it, arrive, table(v=pa.array([*good, None], _arrow(declared))))
    assert stage(it).rows == len(good) + 1
    for value in bad:
        deliver(it, arrive, table(v=pa.array([*good, None, value], _arrow(declared))))
        with pytest.raises(BadInputError, match=f"row {len(good) + 2}, field 'v'"):
            stage(it)


@pytest.mark.parametrize("nullable", [False, True])
def test_bounds_are_compared_exactly_when_a_partition_is_judged(
    dataset: Callable[..., Dataset], nullable: bool
) -> None:
    cases = {f"v{number}": case for number, case in enumerate(BOUNDS) if nullable or (case[2] and case[3])}
    columns = [Column(name=name, type=case[0], nullable=nullable, **case[1]) for name, case in cases.items()]
    it = dataset(*columns)
    # as many values of each: the last of them again, or nulls
    rows = max(len(good) + len(bad) for _, _, good, bad in BOUNDS) + 1
    content: dict[str, pa.Array] = {}
    for name, (declared, _, good, bad) in cases.items():
        filler = [None] if nullable else good[-1:]
        values = [*good, *bad, *filler * (rows - len(good) - len(bad))]
        content[name] = pa.array(values, _arrow(declared))
    measured = Measurements(it)
    split = {"split_": pa.array(["train"] * rows), "partition_": pa.array([datetime.date(2026, 1, 1)] * rows)}
    for batch in table(**content, **split).to_batches(max_chunksize=2):
        measured.add(batch)
    with Judge() as judge:
        judge.add_suite("rows", row_expectations(it))
        found = judge.judge("rows", measured.frame(), "2026-01-01")
    outcomes = {outcome.column: outcome for outcome in found if outcome.column and "imum" in outcome.detail}
    assert set(outcomes) == set(cases)
    for name, (_, _, _, bad) in cases.items():
        assert outcomes[name].success == (not bad), cases[name]
        assert not bad or f"; {len(bad)} of {rows} break it" in outcomes[name].detail, cases[name]


def test_an_error_of_our_own_check_is_not_the_files(
    dataset: Callable[..., Dataset], arrive: Arrive, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(*_: object) -> None:
        raise pa.ArrowInvalid("of our own making")

    it = dataset()
    deliver(it, arrive, table(id=pa.array([1, 2])))
    monkeypatch.setattr(ingest, "first_violation", wrong)
    with pytest.raises(pa.ArrowInvalid, match="of our own making"):
        stage(it)


@pytest.mark.parametrize(
    ("value", "fits"),
    [(3.4028235e38, True), (-3.4028235e38, True), (5e-324, True), (3.41e38, False), (-1e300, False)],
)
def test_a_feature_beyond_float32_is_named_before_anything_is_published(
    dataset: Callable[..., Dataset], arrive: Arrive, stage: Stage, make_spec: MakeSpec, tmp_path: Path,
    value: float, fits: bool,
) -> None:  # fmt: skip
    it = dataset(Column(name="v", type="float64"), features=("v",))
    deliver(it, arrive, table(v=pa.array([0.5, value])))
    staged = stage(it)
    if fits:
        _published(it, staged, make_spec, tmp_path)
        return
    with pytest.raises(BadInputError, match=r"partition 2026-01-01, column 'v': .*float of 32 bits.*; 1 of 2 break it"):
        _published(it, staged, make_spec, tmp_path)
    assert not DeltaTable.is_deltatable((tmp_path / "table").as_uri())
    # a number that no trainer is given may be as large as its type
    other = dataset(Column(name="v", type="float64"))
    _published(other, stage(other), make_spec, tmp_path)


@pytest.mark.parametrize(
    ("declared", "labels", "values"),
    [
        ("string", ("x", "y"), ["x", "y"]),
        ("bool", ("true", "false"), [True, False]),
        ("int8", ("-1", "1"), [-1, 1]),
        ("uint64", ("0", str(2**64 - 1)), [0, 2**64 - 1]),
    ],
)
def test_a_target_of_each_type_that_has_labels(
    dataset: Callable[..., Dataset], arrive: Arrive, stage: Stage, make_spec: MakeSpec, tmp_path: Path,
    declared: str, labels: tuple[str, ...], values: list[Any],
) -> None:  # fmt: skip
    column = Column(name="v", type=declared)
    it = dataset(column, target=Target(column="v", kind="single_label", labels=labels))
    deliver(it, arrive, table(v=pa.array(values * 20, _arrow(declared))))
    result = _published(it, stage(it), make_spec, tmp_path)
    assert result.profiles["2026-01-01"].label_counts == dict.fromkeys(labels, 20)
    fewer = dataset(column, target=Target(column="v", kind="single_label", labels=(labels[0], "7")))
    with pytest.raises(BadInputError, match=r"row 2, field 'v'"):
        stage(fewer)
    with pytest.raises(BadInputError, match=r"column 'v': one of target.labels; 20 of 40"):
        _published(fewer, stage(it), make_spec, tmp_path / "other")


def test_a_key_is_dealt_by_its_text_whatever_its_type() -> None:
    from zlib import crc32 as plain

    for declared, values in EVERY.values():
        if declared.startswith("list"):
            continue
        keys = pa.array(values, _arrow(declared))
        assert key_hashes(keys).tolist() == [plain(str(key).encode()) for key in keys.to_pylist()]
        assert key_hashes(keys.slice(1)).tolist() == [plain(str(keys[1].as_py()).encode())]
