"""A text in chunks of whole rows."""

import io
import random
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from millrace.contracts.data import Column, Dataset, Source, Split, Target
from millrace.contracts.errors import BadInputError
from millrace.contracts.source import Dialect
from millrace_data import chunks as module
from millrace_data.chunks import Chunk, chunks, positions
from millrace_data.csv_grammar import CsvCutter, Grammar
from millrace_data.json_rows import JsonRows


@pytest.fixture
def data_set() -> Dataset:
    return Dataset(
        source=Source(uri_template="file:///{partition}.csv", format="csv"),
        columns=(Column(name="a", type="string", max_length=100), Column(name="b", type="string")),
        features=("a",),
        target=Target(column="b", kind="single_label", labels=("x", "y")),
        split=Split(key="a"),
    )


def cutter(dialect: Dialect | None = None) -> CsvCutter:
    source = Source(uri_template="file:///{partition}.csv", format="csv", dialect=dialect or Dialect())
    return CsvCutter(source, Grammar(source.dialect, ","), "file:///x.csv")


def cut(data: bytes, data_set: Dataset, by: Any) -> list[Chunk]:
    return list(chunks(io.BytesIO(data), by, "file:///x.csv", data_set))


def test_chunks_add_up_to_the_text_and_know_their_lines(data_set: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    draw = random.Random(5)
    for size in (1, 7, 64, 300):
        monkeypatch.setattr(module, "CHUNK_BYTES", size)
        texts = ["".join(draw.choices('ab\n",\r\n', k=draw.randint(0, 20))) for _ in range(300)]
        quoted = ['"' + text.replace('"', '""') + '"' for text in texts]
        data = "".join(f"{number},{text}\n" for number, text in enumerate(quoted)).encode()
        found = cut(data, data_set, cutter())
        assert b"".join(chunk.data for chunk in found) == data
        assert all(chunk.regular for chunk in found)
        at, records = 0, 0
        grammar = Grammar(Dialect(), ",")
        for chunk in found:
            assert chunk.line == 1 + data[:at].count(b"\n")
            at += chunk.end
            records += len(list(grammar.records(chunk.data, chunk.line)))
        assert records == 300


def test_a_bare_quote_makes_its_own_chunk_irregular_and_no_other(
    data_set: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CHUNK_BYTES", 64)
    rows = [b"%d,text\n" % number for number in range(100)]
    rows[50] = b'50,a 5" disk\n'
    found = cut(b"".join(rows), data_set, cutter())
    assert b"".join(chunk.data for chunk in found) == b"".join(rows)
    assert [b'"' in chunk.data for chunk in found] == [not chunk.regular for chunk in found]
    assert sum(not chunk.regular for chunk in found) == 1


def test_short_lines_make_short_chunks(data_set: Dataset) -> None:
    found = cut(b"1\n" * 500_000, data_set, cutter())
    assert sum(chunk.end for chunk in found) == 1_000_000
    assert max(chunk.end for chunk in found) < 200_000


def test_a_bad_row_holds_nothing_of_the_reading_but_its_reason() -> None:
    def values(row: str) -> list[object]:
        try:
            raise ValueError(row)
        except ValueError:
            raise BadInputError("wrong", where="there", rule="right", remedy="correct it") from None

    _, bad = module.one_by_one([(1, b"x", "x")], values, pa.schema([("v", pa.string())]), first_bad_only=False)
    assert [(row.error.__traceback__, row.error.__context__, row.error.what) for row in bad] == [(None, None, "wrong")]


def test_the_last_line_gets_an_end(data_set: Dataset) -> None:
    [chunk] = cut(b"a,b\nc,d", data_set, cutter())
    assert chunk.data == b"a,b\nc,d\n"
    assert cut(b"", data_set, cutter()) == []


def test_a_long_row_makes_a_long_chunk_up_to_the_limit(data_set: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHUNK_BYTES", 32)
    monkeypatch.setattr("millrace_data.arrival_errors.MAX_ROW_BYTES", 5000)
    long = b'"' + b"x\n" * 1000 + b'",b\n'
    found = cut(b"a,b\n" + long + b"c,d\n", data_set, cutter())
    assert b"".join(chunk.data for chunk in found) == b"a,b\n" + long + b"c,d\n"
    too_long = b'"' + b"x\n" * 2500 + b'",b\n'
    with pytest.raises(BadInputError, match="too long") as refused:
        cut(b"a,b\n" + too_long + b"c,d\n", data_set, cutter())
    assert "line 2" in refused.value.where


def test_an_open_quote_is_told_at_the_end_of_the_text_and_text_behind_a_quote_at_once(data_set: Dataset) -> None:
    with pytest.raises(BadInputError, match="not closed") as refused:
        cut(b'a,b\nc,"d\n', data_set, cutter())
    assert "line 2" in refused.value.where

    class Endless(io.BytesIO):
        def readinto(self, into: Any, /) -> int:
            return super().readinto(into) or io.BytesIO(b"x,y\n" * 1000).readinto(into)

    by = chunks(Endless(b'a,"b\\"c"\n'), cutter(), "file:///x.csv", data_set)
    with pytest.raises(BadInputError, match="goes on after its closing quote") as behind:
        list(by)
    assert "SPARK" in behind.value.remedy
    assert "line 1" in behind.value.where


def test_a_file_of_carriage_returns_is_called_so(data_set: Dataset) -> None:
    for data in (b"a,b\rc,d\re,f", b"a,b\rc,d\r" * 200_000):
        with pytest.raises(BadInputError, match="only line ends are carriage returns"):
            cut(data, data_set, cutter())
    assert len(cut(b'"a\rb",c', data_set, cutter())) == 1


def test_lines_of_json_are_cut_at_line_ends(data_set: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHUNK_BYTES", 16)
    data = b'{"a":"\\n"}\n' * 9 + b"{}"
    found = cut(data, data_set, JsonRows("file:///x", data_set))
    assert b"".join(chunk.data for chunk in found) == data + b"\n"
    assert [chunk.line for chunk in found] == sorted({chunk.line for chunk in found})


def test_positions_are_those_of_a_plain_search_sparse_and_dense() -> None:
    draw = np.random.default_rng(3)
    for share in (0, 0.001, 0.1, 1):
        for size in (0, 1, 7, 8, 9, 4096, 70_001):
            signs = np.where(draw.random(size) < share, 34, 65).astype(np.uint8)
            assert positions(signs, 34).tolist() == np.flatnonzero(signs == 34).tolist()


def test_utf8_is_checked_over_the_chunk_alone() -> None:
    text = "é€😀x".encode()
    assert Chunk(text, len(text), 1).is_utf8()
    assert not Chunk(text, 1, 1).is_utf8()
    assert not Chunk(b"a\xff", 2, 1).is_utf8()
    assert Chunk(b"a\xff", 1, 1).is_utf8()
    assert not Chunk("\ud800".encode("utf-8", "surrogatepass"), 3, 1).is_utf8()
