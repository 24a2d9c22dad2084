"""The fast reading of a chunk against the one by one, and that against Python's csv and json, on hostile chunks."""

import csv
import json
import random
from typing import Any

import pytest

from millrace.contracts.data import Column, Dataset, Source, Split, Target
from millrace.contracts.errors import BadInputError
from millrace.contracts.source import SPARK, Dialect
from millrace_data.chunks import Chunk, Rows
from millrace_data.csv_grammar import CsvCutter, Grammar
from millrace_data.csv_rows import CsvRows
from millrace_data.json_rows import JsonRows

TYPES = (
    "string", "int64", "int8", "uint64", "float64", "float32", "bool", "date", "timestamp", "decimal(5,2)", "binary",
    "list<string>", "list<int64>",
)  # fmt: skip
TEXTS = (
    "", " ", "a", "5\" disk", "é", "\u2028", "\0", "\ufeff", "NA", "0", "-0", "+1", "7", " 7", "7\t", "\u00a07", "٣",
    "１", "007", "0x10", "0X1F", "127", "128", "-128", "-129", "9223372036854775807", "9223372036854775808",
    "-9223372036854775808", "18446744073709551615", "18446744073709551616", "0" * 50 + "1", "9" * 30, "1_0", "1.",
    ".5", "1.5", "1,5", "1e5", "1E+05", "1e", "e5", ".", "-", "+-1", "1e308", "1e309", "-1e999", "1e-999", "3.4e38",
    "3.5e38", "16777217", "0.1", "nan", "NaN", "inf", "-Infinity", "0x1p3", "1f", "1d", "true", "True", "TRUE",
    "tRUE", "false", " true", "yes", "2026-01-31", "2026-02-30", "2024-02-29", "0000-01-01", "9999-12-31", "2026-1-1",
    "20260131", "2026-01-31T08:00:00Z", "2026-01-31 08:00:00+02:00", "2026-01-31T08:00:00", "2026-01-31T08:00Z",
    "2026-01-31T08:00:00.5Z", "2026-01-31T08:00:00.123456789Z", "2026-01-31T08:00:00.123456000+0530",
    "2026-01-31T24:00:00Z", "2026-01-31T08:00:60Z", "2026-01-31T08:00:00+24:00", "2026-01-31T08:00:00-02",
    "0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00", "2026-02-29T00:00:00Z", "1.55", "1.550", "1.555",
    "999.99", "1000", "-999.994", "1e2", "0.001", "-0.00", "YQ==", "YQ", "Y Q==", "YQ=\n", "a|b", "|", "1|2", "1|x",
    "1|", "a\nb", "a\r\nb", "a\rb", '"', '""', "\\", "\\\\", '\\"', "a\\", "\\n", ",", ";", "\t", "'", "|a",
)  # fmt: skip
SIGNS = ('"', "\\", "\r", "\n", "\0", "\ufeff", "\udcff")
PLAIN = Dialect()
DIALECTS = {
    "plain": PLAIN,
    "no quotes": Dialect(quote=None),
    "semicolon": Dialect(delimiter=";", decimal_mark=",", null_words=("", "NA")),
    "no null": Dialect(null_words=()),
    "words": Dialect(null_words=("NA", " ")),
    "escape": Dialect(escape="\\"),
    "escape, no quotes": Dialect(escape="\\", quote=None, delimiter="\t"),
    "apostrophe": Dialect(quote="'"),
    "spark": SPARK,
}


def dataset(kinds: list[str], source_format: Any = "csv", dialect: Dialect = PLAIN, **changes: Any) -> Dataset:
    columns = tuple(Column(name=f"c{n}", type=kind, nullable=n % 2 == 0) for n, kind in enumerate(kinds))
    fields: dict[str, Any] = {
        "source": Source(uri_template="file:///{partition}.x", format=source_format, dialect=dialect),
        "columns": columns,
        "features": ("c0",),
        "target": Target(column="c0", kind="single_label", labels=("a", "b")),
        "split": Split(key="c0"),
    }
    return Dataset(**(fields | changes))


def csv_text(draw: random.Random, width: int, dialect: Dialect) -> bytes:
    """A few records, most of them well written, some with signs put in or taken out."""
    delimiter = dialect.delimiter or ","
    pool = draw.sample(TEXTS, 6)
    written = []
    for _ in range(draw.randint(1, 5)):
        fields = []
        for _ in range(width if draw.random() < 0.95 else draw.randint(0, width + 1)):
            text = draw.choice(pool)
            if dialect.quote and (
                draw.random() < 0.2 or any(sign in text for sign in (delimiter, dialect.quote, "\n", "\r"))
            ):
                before = dialect.escape or dialect.quote
                if dialect.escape:
                    text = text.replace(dialect.escape, dialect.escape * 2)
                text = dialect.quote + text.replace(dialect.quote, before + dialect.quote) + dialect.quote
            fields.append(text)
        written.append(delimiter.join(fields) + draw.choice(["\n", "\n", "\r\n"]))
    signs = list("".join(written))
    if draw.random() < 0.5:
        for _ in range(draw.randint(1, 3)):
            at = draw.randrange(len(signs) + 1)
            if draw.random() < 0.6:
                signs.insert(
                    at, draw.choice(['"', "'", "\\", delimiter, "\r", "\n", "\0", "\ufeff", "é", "1", "\udcff"])
                )
            elif signs:
                signs.pop(min(at, len(signs) - 1))
    data = "".join(signs).encode("utf-8", "surrogateescape")
    return data if data.endswith(b"\n") else data + b"\n"


def same(fast: Rows, slow: Rows, data: bytes) -> None:
    assert not slow.bad, (data, slow.bad)
    assert fast.batch.schema == slow.batch.schema
    # as text, since -0.0 equals 0.0
    assert repr(fast.batch.to_pylist()) == repr(slow.batch.to_pylist()), (
        data,
        fast.batch.to_pylist(),
        slow.batch.to_pylist(),
    )
    fast.batch.validate(full=True)


@pytest.mark.parametrize("name", DIALECTS)
@pytest.mark.parametrize("block_bytes", [1 << 17, 16])
def test_what_pyarrow_reads_of_csv_is_what_the_grammar_says(
    monkeypatch: pytest.MonkeyPatch, name: str, block_bytes: int
) -> None:
    monkeypatch.setattr("millrace_data.csv_rows._BLOCK_BYTES", block_bytes)
    dialect = DIALECTS[name]
    draw = random.Random(f"csv {name}")
    taken = 0
    for _ in range(700):
        kinds = [draw.choice(TYPES) if draw.random() < 0.6 else "string" for _ in range(draw.randint(1, 4))]
        data_set = dataset(kinds, dialect=dialect, max_bad_rows_share=0.9)
        reader = CsvRows("file:///x", data_set)
        reader._take_names([column.name for column in data_set.columns], None)
        data = csv_text(draw, len(kinds), dialect)
        cutter = CsvCutter(data_set.source, reader._grammar, "file:///x")
        try:
            end, regular, quotes, _ = cutter.cut(data, 2, True)
        except BadInputError:
            continue
        assert end == reader._grammar.end_of_records(data[:end]), data
        fast = reader._whole(Chunk(data, end, 2, regular, quotes))
        if fast is not None:
            taken += 1
            same(Rows(fast), reader._one_by_one(Chunk(data, end, 2), False), data[:end])
    assert taken > 50


def python_csv(data: bytes, dialect: Dialect) -> list[list[str]]:
    lines = _lines(data.decode("utf-8", "surrogateescape"))
    return [
        row
        for row in csv.reader(
            lines,
            delimiter=dialect.delimiter or ",",
            quotechar=dialect.quote or '"',
            quoting=csv.QUOTE_MINIMAL if dialect.quote else csv.QUOTE_NONE,
            escapechar=dialect.escape,
            strict=True,
        )
        if row
    ]


def _lines(text: str) -> list[str]:
    return [line + "\n" for line in text.removesuffix("\n").split("\n")]


@pytest.mark.parametrize("name", [name for name in DIALECTS if name != "spark"])
def test_the_grammar_says_what_pythons_csv_does(name: str) -> None:
    dialect = DIALECTS[name]
    draw = random.Random(f"grammar {name}")
    grammar = Grammar(dialect, dialect.delimiter or ",")
    compared = 0
    for _ in range(3000):
        data = csv_text(draw, draw.randint(1, 4), dialect)
        end = grammar.end_of_records(data)
        records = list(grammar.records(data[:end], 1))
        assert (
            b"".join(record.text for record in records) == b"".join(line for line in [data[:end]] if line)
            or b"\n\n" in b"\n" + data
            or b"\n\r\n" in b"\n" + data
        ), data
        if any(record.error for record in records):
            continue
        fields = [[field.decode("utf-8", "surrogateescape") for field in record.fields] for record in records]
        try:
            expected = python_csv(data[:end], dialect) if end else []
        except csv.Error as error:
            raise AssertionError((data, fields)) from error
        assert fields == expected, data
        compared += 1
    assert compared > 1000


VALUES = (
    '""', '"a"', '"é"', '"\\u00e9"', '"\\ud83d\\ude00"', '"\\ud800"', '"\\udc00x"', '"\\u0000"', '"\0"', '"a\tb"',
    '"\x7f"', '"\\/"', '"\\x"', "0", "-0", "7", "007", "+1", "1.0", "1e2", "1E400", "-1e-400", "127", "128",
    "9223372036854775807", "9223372036854775808", "18446744073709551615", "16777217", "9007199254740993",
    "1" + "0" * 400, "9" * 5000, "0.1", "12.34", "12.345", "NaN", "Infinity", "-Infinity", "Inf", "nan", "true",
    "false", "True", "null", "[]", "[1]", "[1.0]", '["a"]', '["a",null]', "[null]", "[[1],[]]", "[[1.5]]", '[["a"]]',
    "{}", '{"c0":1,"c0":2}', '{"x":{"y":[1]}}', '"2026-01-31"', '"2026-02-30"', '"2026-01-31T08:00:00Z"',
    '"2026-01-31T08:00:00"', '"12.34"', '"1.5"', '"YQ=="', '"true"', '"1"', "[" * 30 + "]" * 30,
    "[" * 3000 + "]" * 3000,
)  # fmt: skip
JSON_TYPES = (*TYPES, "list<float64>", "list<list<int64>>", "list<date>", "list<bool>", "list<decimal(5,2)>")


FITTING = {
    "string": ['""', '"a"', '"\\u00e9"', '"\\ud83d\\ude00"', '"\x7f"'],
    "int64": ["0", "-0", "9223372036854775807"],
    "int8": ["127", "-128"],
    "uint64": ["18446744073709551615", "7"],
    "float64": ["1", "-0.0", "1e2", "0.1", "9007199254740993"],
    "float32": ["16777217", "0.1", "3.4e38"],
    "bool": ["true", "false"],
    "date": ['"2026-01-31"', '"0001-01-01"'],
    "timestamp": ['"2026-01-31T08:00:00Z"', '"2026-01-31T08:00:00.25+02:00"'],
    "decimal(5,2)": ['"12.34"', "12.34", '"-999.99"', "7"],
    "binary": ['"YQ=="', '""'],
    "list<string>": ["[]", '["a","é"]'],
    "list<int64>": ["[]", "[1,-2]"],
    "list<float64>": ["[1,2.5]"],
    "list<list<int64>>": ["[[1],[]]", "[]"],
    "list<date>": ['["2026-01-31"]', "[]"],
    "list<bool>": ["[true]"],
    "list<decimal(5,2)>": ['["1.5"]', "[]"],
}


def json_text(draw: random.Random, kinds: list[str]) -> bytes:
    pool = draw.sample(VALUES, 5)
    types = {f"c{n}": kind for n, kind in enumerate(kinds)}
    lines = []
    for _ in range(draw.randint(1, 5)):
        names = [f"c{n}" for n in range(len(kinds)) if draw.random() < 0.95]
        names += [draw.choice(["extra", "c0", "é"])] if draw.random() < 0.15 else []
        fields = [
            f'"{name}":{draw.choice([" ", ""])}'
            + draw.choice(FITTING[types[name]] if name in types and draw.random() < 0.85 else pool)
            for name in names
        ]
        lines.append("{" + ",".join(fields) + "}" + draw.choice(["", "", "\r", " "]))
    text = list("\n".join(lines))
    if draw.random() < 0.4:
        for _ in range(draw.randint(1, 3)):
            at = draw.randrange(len(text) + 1)
            if draw.random() < 0.6:
                text.insert(
                    at,
                    draw.choice(
                        ['"', "\\", ",", "\r", "\n", "\0", "\ufeff", "{", "}", "[", "{}", "null", "\udcff", " "]
                    ),
                )
            elif text:
                text.pop(min(at, len(text) - 1))
    return "".join(text).encode("utf-8", "surrogateescape") + b"\n"


@pytest.mark.parametrize("policy", ["refuse", "drop"])
def test_what_pyarrow_reads_of_json_is_what_pythons_json_says(policy: str) -> None:
    draw = random.Random(f"json {policy}")
    taken = 0
    for _ in range(6000):
        kinds = [draw.choice(JSON_TYPES) for _ in range(draw.randint(1, 3))]
        data_set = dataset(kinds, "jsonl", extra_columns=policy)
        reader = JsonRows("file:///x", data_set)
        data = json_text(draw, kinds)
        fast = reader._whole(Chunk(data, len(data), 1, True, reader.cut(data, 1, True).marks))
        slow = reader._one_by_one(Chunk(data, len(data), 1), False)
        for row, line in zip(slow.batch.to_pylist(), _good_lines(data, slow), strict=True):
            python = json.loads(line, parse_int=str)
            assert all(row[name] is None or name in python for name in row)
        if fast is not None:
            taken += 1
            same(Rows(fast), slow, data)
    assert taken > 300


def _good_lines(data: bytes, found: Rows) -> list[bytes]:
    bad = {row.line for row in found.bad}
    lines = enumerate(data.split(b"\n")[:-1], 1)
    return [line for number, line in lines if number not in bad and line.strip(b" \t\r")]
