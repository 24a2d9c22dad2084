"""Files of several blocks, of which every boundary lies inside a sign that is cut badly.

pyarrow 26 loses the LF of a quoted CR LF that lies across two of its blocks (apache/arrow 51368), and takes a byte
order mark off each of them; readers of blocks of their own have such places too. Each file is nothing but one sign,
over and over, in rows of ever other lengths, so that a block of any size begins inside it.
"""

import json
import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from millrace.contracts.data import Dialect
from tests.images.data.corpus.case import COLUMNS, SPARK_DIALECT, Case, Row
from tests.images.data.corpus.trial import Trial, compressed, staged_rows

FILE_BYTES = 2_600_000
SIGNS = {
    "CR LF": "\r\n",
    "CR": "\r",
    "LF": "\n",
    "a quote": '"',
    "a quote and a separator": '",',
    "a quote and a line end": '"\r\n',
    "a backslash": "\\",
    "a backslash and a quote": '\\"',
    "a byte order mark": "\ufeff",
    "four bytes": "😀",
    "three bytes": "中",
    "a NUL": "\0",
    "braces": "}\n{",
    "blank lines": "\n\n",
}
DIALECTS = {"RFC 4180": Dialect(), "escapes": Dialect(escape="\\"), "Spark": SPARK_DIALECT}


def repeated(sign: str) -> list[Row]:
    """Rows whose text is that sign, each of another length and with it alone at its ends."""
    rows: list[Row] = []
    size = 0
    while size < FILE_BYTES:
        value = sign * (37 + len(rows) % 1009)
        rows.append((len(rows), value, "yes" if len(rows) % 2 else "no"))
        size += len(value.encode()) + 20
    return rows


def check(case: Case, folder: Path, ending: str) -> None:
    trial = Trial(case, folder, ending)
    trial.deliver()
    found = staged_rows(trial.stage())
    assert len(found) == len(case.rows)
    wrong = [
        (row[0], len(row[1]), len(expected[1]))
        for row, expected in zip(found, case.rows, strict=True)
        if row != expected
    ]
    assert not wrong, f"{len(wrong)} rows differ, the first one and the lengths of its texts: {wrong[0]}"


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("sign", SIGNS)
def test_delimited_text_across_blocks(sign: str, dialect: str, tmp_path: Path) -> None:
    rows = repeated(SIGNS[sign])
    cells = [("id", "text", "label"), *((str(number), text, label) for number, text, label in rows)]
    content = _written(cells, DIALECTS[dialect])
    case = Case(sign, "csv", content, tuple(rows), columns=COLUMNS, dialect=DIALECTS[dialect])
    check(case, tmp_path, ".gz" if dialect == "Spark" else "")


def _written(cells: Sequence[tuple[str, ...]], dialect: Dialect) -> bytes:
    """Every text quoted, so that it may begin and end with any sign."""

    def quoted(text: str) -> str:
        if dialect.escape is None:
            return '"' + text.replace('"', '""') + '"'
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'

    return "".join(",".join((number, quoted(text), label)) + "\n" for number, text, label in cells).encode()


@pytest.mark.parametrize("escapes", [False, True])
@pytest.mark.parametrize("sign", SIGNS)
def test_json_lines_across_blocks(sign: str, escapes: bool, tmp_path: Path) -> None:
    rows = repeated(SIGNS[sign])
    objects = [{"id": number, "text": text, "label": label} for number, text, label in rows]
    content = "".join(json.dumps(row, ensure_ascii=escapes) + "\r\n" for row in objects).encode()
    check(Case(sign, "jsonl", content, tuple(rows)), tmp_path, ".zst" if escapes else "")


@pytest.mark.parametrize("source_format", ["csv", "jsonl"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize("row_bytes", [17, 64, 4096])
def test_rows_that_end_where_a_block_does(source_format: str, line_end: str, row_bytes: int, tmp_path: Path) -> None:
    if source_format == "csv":
        template, head = "{:07d},{},yes" + line_end, "id,text,label" + line_end
    else:
        template, head = '{{"id":{},"text":"{}","label":"yes"}}' + line_end, ""
    lines, rows = [head], []
    for number in range(1_000_000, 1_000_000 + FILE_BYTES // row_bytes // 2):
        text = "x" * max(0, row_bytes - len(template.format(number, "")))
        lines.append(template.format(number, text))
        rows.append((number, text, "yes"))
    check(Case("aligned", source_format, "".join(lines).encode(), tuple(rows)), tmp_path, "")


def test_a_row_longer_than_any_block_between_short_ones(tmp_path: Path) -> None:
    random_ = random.Random(1)
    long = "".join(random_.choice(('"', "\r\n", "x" * 50, ",", "\\")) for _ in range(200_000))
    rows = [(1, "a", "yes"), (2, long, "no"), (3, "b", "yes"), (4, long[::-1], "no")]
    content = _written([("id", "text", "label"), *((str(n), t, label) for n, t, label in rows)], Dialect())
    check(Case("long", "csv", content, tuple(rows)), tmp_path, "")


def test_two_million_blank_lines(tmp_path: Path) -> None:
    content = b"id,text,label\n" + b"\n" * 2_000_000 + b"1,a,yes\n" + b"\r\n" * 700_000 + b"2,b,no\n"
    check(Case("blank", "csv", content, ((1, "a", "yes"), (2, "b", "no"))), tmp_path, "")


@pytest.mark.parametrize("ending", [".gz", ".zst"])
def test_parts_of_a_compressed_file_that_end_anywhere(ending: str, tmp_path: Path) -> None:
    rows = repeated("\r\n")[:2000]
    content = _written([("id", "text", "label"), *((str(n), t, label) for n, t, label in rows)], Dialect())
    step = 65_521
    parts = b"".join(compressed(content[at : at + step], ending) for at in range(0, len(content), step))
    trial = Trial(Case("parts", "csv", parts, tuple(rows), stored=True), tmp_path, ending)
    trial.deliver()
    assert staged_rows(trial.stage()) == rows
