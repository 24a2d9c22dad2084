"""Rows of generated.TEXT_COLUMNS as programs write them: Python's csv and json, and Spark."""

import csv
import io
import json
import random
from collections.abc import Iterable
from typing import Any

from millrace.contracts.data import Dialect
from tests.images.data.corpus.case import Row
from tests.images.data.corpus.json_reference import NAMES

QUOTINGS = (csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC)


def as_delimited(rows: Iterable[Row], dialect: Dialect, delimiter: str, random_: random.Random) -> bytes:
    """CSV or TSV in that dialect, header first."""
    line_end = random_.choice(("\n", "\r\n"))
    texts = [NAMES, *([_field(value, random_) for value in row] for row in rows)]
    if dialect.escape_in == "quotes":
        return "".join(delimiter.join(_spark(text, delimiter) for text in row) + line_end for row in texts).encode()
    if dialect.quote is None:
        kept = str.maketrans(dict.fromkeys(f"{delimiter}\r\n", "_"))
        return "".join(delimiter.join(str(text).translate(kept) for text in row) + line_end for row in texts).encode()
    sink = io.StringIO(newline="")
    options: dict[str, Any] = {"quoting": random_.choice(QUOTINGS)}
    if dialect.escape is not None:
        options = {
            "escapechar": dialect.escape,
            "doublequote": False,
            "quoting": random_.choice((*QUOTINGS, csv.QUOTE_NONE)),
        }
    csv.writer(sink, delimiter=delimiter, lineterminator=line_end, **options).writerows(texts)
    return sink.getvalue().encode()


def _field(value: Any, random_: random.Random) -> Any:
    if value is None:
        return ""
    if isinstance(value, bool):
        return random_.choice(("true", "True", "TRUE", "1") if value else ("false", "False", "FALSE", "0"))
    if isinstance(value, int) and random_.random() < 0.05:
        return f"{random_.choice((' ', '', chr(9)))}{'-' if value < 0 else ''}00{abs(value)}{random_.choice((' ', ''))}"
    return repr(value) if isinstance(value, float) else str(value)


def _spark(text: str, delimiter: str) -> str:
    if text == "":
        return '""'
    if any(sign in text for sign in (delimiter, '"', "\n", "\r")):
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return text


def as_json_lines(rows: Iterable[Row], random_: random.Random) -> bytes:
    """JSON Lines: keys in any order, nulls written or left out, fields that nobody declared."""
    line_end = random_.choice(("\n", "\r\n"))
    escapes = random_.random() < 0.5
    lines = []
    for row in rows:
        fields = [
            (name, value) for name, value in zip(NAMES, row, strict=True) if value is not None or random_.random() < 0.5
        ]
        if random_.random() < 0.1:
            fields.append(("more", random_.choice((None, [1, {"a": "}{"}], "x\n", 1.5))))
        if random_.random() < 0.2:
            random_.shuffle(fields)
        separators = random_.choice(((",", ":"), (", ", ": "), (" ,\t", " : ")))
        lines.append(json.dumps(dict(fields), ensure_ascii=escapes, separators=separators) + line_end)
    return "".join(lines).encode()
