"""Text files of arrivals from their bytes to the staged rows: dialects, names, types, and what one bad row costs."""

import base64
import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from millrace.contracts.data import Column, Dataset, Source, Split, StagedPartition, Target
from millrace.contracts.errors import BadInputError
from millrace.contracts.source import SPARK, Dialect
from millrace.storage import files

Arrive = Callable[..., Path]
Stage = Callable[..., StagedPartition]
RowsOf = Callable[[StagedPartition], list[dict[str, Any]]]

COLUMNS = (
    Column(name="id", type="int64", source_name="Customer ID"),
    Column(name="text", type="string", source_name="größe"),
    Column(name="label", type="string"),
)
HEADER = "Customer ID,größe,label\n".encode()


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Dataset]:
    def dataset(source_format: Any = "csv", dialect: Dialect | None = None, **changes: Any) -> Dataset:
        template = f"{tmp_path.as_uri()}/arrivals/{{partition}}.{source_format}"
        fields: dict[str, Any] = {
            "source": Source(
                uri_template=template, format=source_format, dialect=dialect or Dialect(), quiet_seconds=0
            ),
            "columns": COLUMNS,
            "features": ("text",),
            "target": Target(column="label", kind="single_label", labels=("yes", "no")),
            "split": Split(key="id"),
        }
        return Dataset(**(fields | changes))

    return dataset


@pytest.fixture
def texts(arrive: Arrive, stage: Stage, rows_of: RowsOf) -> Callable[..., list[tuple[int, str]]]:
    """The ids and texts that a file's bytes hold."""

    def read(dataset: Dataset, content: bytes) -> list[tuple[int, str]]:
        arrive(dataset, content)
        return [(row["id"], row["text"]) for row in rows_of(stage(dataset))]

    return read


@pytest.fixture
def refusal(arrive: Arrive, stage: Stage, out_uri: str) -> Callable[..., BadInputError]:
    """The error of a file's bytes, of which nothing was staged."""

    def read(dataset: Dataset, content: bytes) -> BadInputError:
        for name in files.names(out_uri):
            files.delete(files.join(out_uri, name))
        arrive(dataset, content)
        with pytest.raises(BadInputError) as refused:
            stage(dataset)
        assert files.names(out_uri) == []
        assert "s3cret" not in str(refused.value)
        return refused.value

    return read


Make = Callable[..., Dataset]
Texts = Callable[..., list[tuple[int, str]]]
Refusal = Callable[..., BadInputError]

BACKSLASHES = HEADER + b'1,"size 5\\"",yes\n2,"size 7\\"",no\n3,plain,yes\n4,plain,no\n'


@pytest.mark.parametrize("share", [0, 0.9])
def test_backslash_escaped_quotes_are_refused_by_rfc_4180_with_the_remedy(
    make: Make, refusal: Refusal, share: float
) -> None:
    error = refusal(make(max_bad_rows_share=share), BACKSLASHES)
    assert "line 2" in error.where
    assert "SPARK" in error.remedy


@pytest.mark.parametrize("dialect", [SPARK, Dialect(escape="\\")])
def test_backslash_escaped_quotes_are_read_where_they_are_declared(make: Make, texts: Texts, dialect: Dialect) -> None:
    found = texts(make(dialect=dialect), BACKSLASHES)
    assert found == [(1, 'size 5"'), (2, 'size 7"'), (3, "plain"), (4, "plain")]


def test_five_in_a_hundred_backslashes_lose_no_row(make: Make, texts: Texts, refusal: Refusal) -> None:
    rows = [b'%d,"5\\"",yes\n' % n if n % 20 == 0 else b"%d,plain,no\n" % n for n in range(10_000)]
    content = HEADER + b"".join(rows)
    assert "SPARK" in refusal(make(), content).remedy
    found = texts(make(dialect=SPARK), content)
    assert found == [(n, '5"' if n % 20 == 0 else "plain") for n in range(10_000)]


@pytest.mark.parametrize("source_format", ["csv", "tsv"])
def test_quotes_mean_the_same_in_csv_and_tsv(make: Make, texts: Texts, source_format: str) -> None:
    sign = "," if source_format == "csv" else "\t"
    content = 'Customer ID,größe,label\n1,"say ""x""\n,",yes\r\n\r\n2,a "b" c,no\n'.replace(",", sign).encode()
    assert texts(make(source_format), content) == [(1, f'say "x"\n{sign}'), (2, 'a "b" c')]


DIALECTS = {
    "semicolons, decimal comma": (Dialect(delimiter=";", decimal_mark=","), "id;w;label\n1;1,5;yes\n2;-2;no\n"),
    "null words": (Dialect(null_words=("", "NA")), "id,w,label\n1,1.5,yes\n2,-2,no\n3,NA,no\n4,,no\n"),
    "no quotes": (Dialect(quote=None, delimiter="|"), "id|w|label\n1|1.5|yes\n2|-2|no\n"),
    "apostrophes": (Dialect(quote="'"), "id,w,label\n'1','1.5',yes\n2,-2,'no'\n"),
    "no header": (Dialect(header=False), "1,1.5,yes\n2,-2,no\n"),
    "utf-16": (Dialect(encoding="utf-16"), "id,w,label\n1,1.5,yes\n2,-2,no\n"),
}


@pytest.mark.parametrize("name", DIALECTS)
def test_dialects(make: Make, arrive: Arrive, stage: Stage, rows_of: RowsOf, name: str) -> None:
    dialect, content = DIALECTS[name]
    columns = (
        Column(name="id", type="int64"),
        Column(name="w", type="float64", nullable=True),
        Column(name="label", type="string"),
    )
    dataset = make(dialect=dialect, columns=columns, features=("w",))
    arrive(dataset, content.encode(dialect.encoding))
    found = [(row["id"], row["w"], row["label"]) for row in rows_of(stage(dataset))]
    assert found[:2] == [(1, 1.5, "yes"), (2, -2.0, "no")]
    assert found[2:] == ([(3, None, "no"), (4, None, "no")] if name == "null words" else [])


def test_a_null_word_makes_a_text_missing_and_an_empty_one_does_not(make: Make, texts: Texts, refusal: Refusal) -> None:
    dialect = Dialect(null_words=("", "NULL"))
    assert texts(make(dialect=dialect), HEADER + b"1,,yes\n2,null,no\n") == [(1, ""), (2, "null")]
    error = refusal(make(dialect=dialect), HEADER + b"1,a,yes\n2,NULL,no\n")
    assert "missing" in error.what
    assert "line 3, field 'größe'" in error.where
    columns = (COLUMNS[0], COLUMNS[1].model_copy(update={"nullable": True}), COLUMNS[2])
    assert texts(make(dialect=dialect, columns=columns), HEADER + b"1,,yes\n2,NULL,no\n") == [(1, ""), (2, None)]


def test_another_encoding_is_read_and_its_bad_row_is_one_bad_row(
    make: Make, arrive: Arrive, stage: Stage, rows_of: RowsOf
) -> None:
    dataset = make(dialect=Dialect(encoding="cp1252"), max_bad_rows_share=0.5)
    arrive(dataset, HEADER.decode().encode("cp1252") + b"1,\x80 caf\xe9,yes\n2,\x81\x8d,no\n3,c,no\n")
    staged = stage(dataset)
    assert [row["text"] for row in rows_of(staged)] == ["€ café", "c"]
    [bad] = [json.loads(line) for line in files.read_bytes(staged.bad_rows_uri or "").splitlines()]
    assert (bad["line"], "cp1252" in bad["what"]) == (3, True)


def test_names_of_the_arrivals_are_those_of_the_file_and_of_its_errors(
    make: Make, texts: Texts, refusal: Refusal
) -> None:
    rows = [{"Customer ID": 1, "größe": "a", "label": "yes"}, {"label": "no", "größe": "b", "Customer ID": 2}]
    lines = b"".join(json.dumps(row).encode() + b"\n" for row in rows)
    assert texts(make("jsonl"), lines) == [(1, "a"), (2, "b")]
    assert texts(make(), "label,größe,Customer ID\nyes,a,1\nno,b,2\n".encode()) == [(1, "a"), (2, "b")]
    assert "field 'Customer ID'" in refusal(make("jsonl"), lines + b'{"Customer ID": "s3cret"}\n').where
    assert "field 'Customer ID'" in refusal(make(), HEADER + b"s3cret,a,yes\n").where
    assert "['Customer ID'] missing; ['id'] not declared" in refusal(make(), "id,größe,label\n".encode()).what


TYPES: dict[str, tuple[str, Any, Any]] = {
    "int8": ("-128", -128, -128),
    "uint64": ("18446744073709551615", 2**64 - 1, 2**64 - 1),
    "float32": ("0.5", 0.5, 0.5),
    "bool": ("TRUE", True, True),
    "date": ("2026-01-31", "2026-01-31", date(2026, 1, 31)),
    "timestamp": (
        "2026-01-31T08:00:00.25+02:00",
        "2026-01-31T06:00:00.25Z",
        datetime(2026, 1, 31, 6, 0, 0, 250_000, tzinfo=UTC),
    ),
    "decimal(12,3)": ("-12345.678", "-12345.678", Decimal("-12345.678")),
    "binary": ("AP8=", base64.b64encode(b"\x00\xff").decode(), b"\x00\xff"),
    "list<int64>": ("1|-2", [1, -2], [1, -2]),
    "list<date>": ("2026-01-31|2026-02-01", ["2026-01-31", "2026-02-01"], [date(2026, 1, 31), date(2026, 2, 1)]),
    "list<float32>": ("0.5|2", [0.5, 2], [0.5, 2.0]),
}


@pytest.mark.parametrize("source_format", ["csv", "tsv", "jsonl"])
@pytest.mark.parametrize("name", TYPES)
@pytest.mark.parametrize("has_bare_quote", [False, True])
def test_every_type_is_read_from_text_by_pyarrow_and_one_by_one(
    make: Make, arrive: Arrive, stage: Stage, rows_of: RowsOf, source_format: str, name: str, has_bare_quote: bool
) -> None:
    text, value, expected = TYPES[name]
    columns = (*COLUMNS, Column(name="v", type=name, nullable=True))
    dataset = make(source_format, columns=columns, max_bad_rows_share=0.5)
    odd = 'a"b' if has_bare_quote else "ab"
    if source_format == "jsonl":
        rows = [{"Customer ID": n, "größe": odd, "label": "yes", "v": value if n else None} for n in range(3)]
        content = "".join(json.dumps(row) + "\n" for row in rows) + ("null\n" if has_bare_quote else "")
    else:
        content = f"Customer ID,größe,label,v\n0,{odd},yes,\n1,{odd},yes,{text}\n2,{odd},yes,{text}\n"
        content = content.replace(",", "\t") if source_format == "tsv" else content
    arrive(dataset, content.encode())
    values = [row["v"] for row in rows_of(stage(dataset))]
    first: list[object] | None = [] if name.startswith("list") and source_format != "jsonl" else None
    assert values == [first, expected, expected]


def test_a_list_of_lists_is_of_json_alone(
    make: Make, arrive: Arrive, stage: Stage, rows_of: RowsOf, refusal: Refusal
) -> None:
    columns = (*COLUMNS, Column(name="v", type="list<list<int64>>"))
    dataset = make("jsonl", columns=columns)
    arrive(dataset, '{"Customer ID": 1, "größe": "a", "label": "yes", "v": [[1], []]}\n'.encode())
    assert rows_of(stage(dataset))[0]["v"] == [[1], []]
    assert "no text" in refusal(make(columns=columns), "Customer ID,größe,label,v\n1,a,yes,1\n".encode()).what


GOOD = [b'{"Customer ID": %d, "gr\xc3\xb6\xc3\x9fe": "t", "label": "yes", "mood": %d}' % (n, n) for n in range(40)]
BAD_LINES = {
    "torn last line": (39, b'{"Customer ID": 7, "gr'),
    "Latin-1 in a dropped field": (5, GOOD[5].replace(b'"mood": 5', b'"mood": "caf\xe9"')),
    "deep nesting in a dropped field": (5, GOOD[5].replace(b'"mood": 5', b'"mood": ' + b"[" * 5000 + b"]" * 5000)),
    "two objects": (5, GOOD[5] + GOOD[5]),
    "null": (0, b"null"),
    "a word of one reader in a dropped field": (5, GOOD[5].replace(b'"mood": 5', b'"mood": -NaN')),
}


@pytest.mark.parametrize("case", BAD_LINES)
def test_json_lines_with_dropped_fields_lose_the_bad_row_alone(
    make: Make, arrive: Arrive, stage: Stage, rows_of: RowsOf, refusal: Refusal, case: str
) -> None:
    place, line = BAD_LINES[case]
    content = b"\n".join([*GOOD[:place], line, *GOOD[place + 1 :]])
    dataset = make("jsonl", extra_columns="drop", max_bad_rows_share=0.1)
    arrive(dataset, content)
    staged = stage(dataset)
    assert [row["id"] for row in rows_of(staged)] == [n for n in range(40) if n != place]
    assert staged.dropped_columns == ("mood",)
    [bad] = [json.loads(line) for line in files.read_bytes(staged.bad_rows_uri or "").splitlines()]
    assert bad["line"] == place + 1
    assert f"line {place + 1}" in refusal(make("jsonl", extra_columns="drop"), content).where


TWO_OBJECTS_IN_TWO_LINES = (
    b'{"x": {}\n, "Customer ID": 1, %(rest)s}{"Customer ID": 2, %(rest)s}\n',
    b'{"x": [\n{}], "Customer ID": 1, %(rest)s}{"Customer ID": 2, %(rest)s}\n',
    b'{"Customer ID": 1, %(rest)s}{"x":\n{}, "Customer ID": 2, %(rest)s}\n',
)


@pytest.mark.parametrize("lines", TWO_OBJECTS_IN_TWO_LINES)
def test_as_many_objects_as_lines_is_not_one_a_line(
    make: Make, arrive: Arrive, stage: Stage, rows_of: RowsOf, lines: bytes
) -> None:
    dataset = make("jsonl", extra_columns="drop", max_bad_rows_share=0.1)
    rest = '"größe": "a", "label": "yes"'.encode()
    arrive(dataset, b"\n".join(GOOD) + b"\n" + lines % {b"rest": rest})
    staged = stage(dataset)
    assert [row["id"] for row in rows_of(staged)] == list(range(40))
    assert staged.bad_rows == 2


BAD_RECORDS = {
    "not UTF-8": b"7,caf\xe9,yes",
    "a lone CR": b"7,a\rb,yes",
    "hexadecimal": b"0x10,a,yes",
    "full-width digits": "１,a,yes".encode(),
    "too many fields": b"7,a,yes,no",
    "too few fields": b"7,a",
    "a mark in the middle": b"\xef\xbb\xbf7,a,yes",
}


@pytest.mark.parametrize("case", BAD_RECORDS)
def test_a_bad_record_is_one_bad_row_and_the_others_are_what_they_were(
    make: Make, arrive: Arrive, stage: Stage, rows_of: RowsOf, refusal: Refusal, case: str
) -> None:
    good = [b" %d\t,text,yes" % n for n in range(40)]
    content = HEADER + b"\n".join([*good[:9], BAD_RECORDS[case], *good[10:]]) + b"\n"
    dataset = make(max_bad_rows_share=0.1)
    arrive(dataset, content)
    staged = stage(dataset)
    assert [row["id"] for row in rows_of(staged)] == [n for n in range(40) if n != 9]
    assert staged.bad_rows == 1
    assert "line 11" in refusal(make(), content).where


def test_the_first_thing_wrong_is_told_though_a_later_one_ends_the_file(make: Make, refusal: Refusal) -> None:
    # of two chunks, so that the second one is looked at before the first one was read
    rows = b"".join(b"%d,text,yes\n" % n for n in range(80_000))
    error = refusal(make(), HEADER + b"x,text,yes\n" + rows + b'1,"open,yes\n')
    assert "line 2," in error.where
    error = refusal(make(), HEADER + rows + b'1,"open,yes\n')
    assert "not closed" in error.what
    assert "line 80002" in error.where


def test_a_header_that_is_no_text_is_refused(make: Make, refusal: Refusal) -> None:
    error = refusal(make(), b"Customer ID,gr\xf6\xdfe,label\n1,a,yes\n")
    assert "header is not utf-8" in error.what
    assert "encoding" in error.remedy


def test_what_the_file_is_instead_is_told(make: Make, refusal: Refusal) -> None:
    line = b'{"Customer ID": 1, "label": "yes"}\n'
    assert "like JSON" in refusal(make(), line).what
    assert "like HTML" in refusal(make(), b"<!DOCTYPE html>\n<p>").what
    assert "like CSV" in refusal(make("jsonl"), HEADER + b"1,a,yes\n").remedy
    assert "one JSON array" in refusal(make("jsonl"), b"[" + line.strip() + b"]\n").remedy
    assert "like CSV" in refusal(make("parquet"), HEADER + b"1,a,yes\n").what
    assert "gzip" in refusal(make(), b"\x1f\x8b\x08\x00\x00").what


@pytest.mark.parametrize("source_format", ["csv", "jsonl"])
def test_errors_and_time_have_an_end_however_many_names_a_file_has(
    make: Make, refusal: Refusal, source_format: str
) -> None:
    names = [f"column{n}" for n in range(100_000)] + ["x" * 100_000]
    if source_format == "csv":
        content = ",".join([*names, "Customer ID", "größe", "label"]).encode() + b"\n"
    else:
        fields = {"Customer ID": 1, "größe": "a", "label": "yes", names[-1]: 1} | dict.fromkeys(names, 1)
        content = json.dumps(fields).encode() + b"\n"
    assert len(str(refusal(make(source_format), content))) < 2000
    twice = b'{"Customer ID": 1, ' + b'"a": 1, ' * 200_000 + b'"label": "yes", "label": "yes"}\n'
    if source_format == "jsonl":
        assert "there twice" in refusal(make(source_format, extra_columns="drop"), twice).what
