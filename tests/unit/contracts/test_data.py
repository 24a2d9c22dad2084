"""What a workload's declaration of its data refuses, with the remedy."""

from datetime import date
from typing import Any

import pytest
from pydantic import ValidationError

from millrace.contracts.column_types import column_kind
from millrace.contracts.data import SPARK, Column, Dataset, Dialect, Source, Split, Target


def dataset(**changes: Any) -> Dataset:
    fields: dict[str, Any] = {
        "source": Source(uri_template="{arrivals}/w/{partition}.csv", format="csv"),
        "columns": (Column(name="id", type="int64"), Column(name="label", type="string")),
        "features": ("id",),
        "target": Target(column="label", kind="single_label", labels=("a", "b")),
        "split": Split(key="id"),
    }
    return Dataset(**(fields | changes))


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{arrivals}/my data/{partition}.csv", "%20"),
        ("{arrivals}/x/*-{partition}.csv", "no patterns"),
        ("{arrivals}/x/{partition}#1.csv", "'#'"),
        ("{arrivals}/x/{partition}?.csv", "'?'"),
        ("{arrivals}/x/{partition}[0-9].csv", "'['"),
        ("{arrivals}/x/{date}.csv", "unknown placeholders"),
        ("{arrivals}/x/today.csv", "names no day"),
        ("{arrivals}/x/{year}/{month}.csv", "names no day"),
        ("/data/{partition}.csv", "no URI"),
        ("s3://bucket/{arrivals}/{partition}.csv", "at the beginning"),
        ("{arrivals}/x/{partition}.csv\n", "no patterns"),
        ("{arrivals}/x\\{partition}.csv", "no patterns"),
        ("{arrivals}/{{partition}.csv", "'{'"),
    ],
)
def test_a_template_that_finds_no_file_is_refused(template: str, words: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Source(uri_template=template, format="csv")
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("template", "uri"),
    [
        ("file:///a%20b/{partition}.csv", "file:///a%20b/2026-01-31.csv"),
        ("s3://b/year={year}/month={month}/day={day}/part.csv", "s3://b/year=2026/month=01/day=31/part.csv"),
        ("{arrivals}/{partition}/{partition}.csv.gz", "{arrivals}/2026-01-31/2026-01-31.csv.gz"),
    ],
)
def test_a_days_file_has_its_date_in_its_name(template: str, uri: str) -> None:
    assert Source(uri_template=template, format="csv").uri(date(2026, 1, 31)) == uri


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"delimiter": '"'}, "differ"),
        ({"escape": '"'}, "differ"),
        ({"delimiter": "\n"}, "ASCII"),
        ({"delimiter": "§"}, "ASCII"),
        ({"encoding": "utf-9"}, "unknown encoding"),
        ({"encoding": "utf_7"}, "no encoding of text files"),
        ({"encoding": "raw_unicode_escape"}, "no encoding of text files"),
        ({"encoding": "punycode"}, "no encoding of text files"),
        ({"encoding": "hex"}, "no encoding of text files"),
        ({"decimal_mark": ","}, "delimiter"),
        ({"escape_in": "quotes"}, "needs an escape"),
    ],
)
def test_a_dialect_that_cannot_be_read_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Dialect(**changes)
    assert words in str(caught.value)


def test_json_lines_and_parquet_have_no_dialect() -> None:
    for file_format in ("jsonl", "parquet"):
        with pytest.raises(ValidationError, match="has none"):
            Source(uri_template="{arrivals}/{partition}", format=file_format, dialect=SPARK)


@pytest.mark.parametrize(
    "name",
    ["string", "int8", "uint64", "float32", "decimal(38,10)", "decimal(9, 2)", "timestamp", "list<list<float32>>"],
)
def test_a_type_is_known_by_its_name(name: str) -> None:
    assert Column(name="a", type=name).type == name


@pytest.mark.parametrize(
    "name",
    ["int", "int128", "uint24", "decimal(39,2)", "decimal(2,3)", "list<>", "str", "list<list<list<list<list<int8>>>>>"],
)
def test_an_unknown_type_is_refused(name: str) -> None:
    with pytest.raises(ValidationError):
        Column(name="a", type=name)


def test_an_integer_types_bounds() -> None:
    assert column_kind("int8").bounds == (-128, 127)
    assert column_kind("uint64").bounds == (0, 2**64 - 1)


@pytest.mark.parametrize(
    ("column", "words"),
    [
        ({"name": "a", "type": "string", "minimum": 1}, "of numbers"),
        ({"name": "a", "type": "int64", "max_length": 1}, "of texts"),
        ({"name": "a", "type": "int64", "minimum": 2, "maximum": 1}, "no value lies between"),
        ({"name": "a", "type": "string", "min_length": 2, "max_length": 1}, "no value lies between"),
    ],
)
def test_a_rule_that_no_value_keeps_is_refused(column: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Column(**column)
    assert words in str(caught.value)


def test_a_bound_of_nineteen_digits_is_kept_exactly() -> None:
    bound = 2**63 - 1
    column = Column.model_validate_json(Column(name="a", type="int64", maximum=bound).model_dump_json())
    assert column.maximum == bound
    assert isinstance(column.maximum, int)


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ((Column(name="ID", type="int64"),), "case"),
        ((Column(name="Split_", type="int64"),), "Millrace's own"),
        ((Column(name="other", type="int64", source_name="id"),), "two are read"),
    ],
)
def test_columns_that_cannot_be_told_apart_are_refused(columns: tuple[Column, ...], words: str) -> None:
    with pytest.raises(ValidationError) as caught:
        dataset(columns=(*dataset().columns, *columns))
    assert words in str(caught.value)


def test_an_optional_label_is_one_of_the_labels() -> None:
    with pytest.raises(ValidationError, match="optional_labels"):
        dataset(target=Target(column="label", kind="single_label", labels=("a", "b"), optional_labels=("c",)))
