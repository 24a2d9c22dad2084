"""Rows out of a seed: awkward texts, numbers at their types' edges, nulls."""

import random
import struct
from typing import Any

from millrace.contracts.data import Column
from tests.images.data.corpus.case import ID, LABEL, LABELS, Row

TEXT_COLUMNS = (
    ID,
    Column(name="text", type="string"),
    Column(name="count", type="int64", nullable=True),
    Column(name="size", type="float64", nullable=True),
    Column(name="known", type="bool", nullable=True),
    LABEL,
)
EDGES = (0, 1, -1, 2**31, -(2**31), 2**53, 2**53 + 1, -(2**53) - 1, 2**63 - 1, -(2**63))
FLOATS = (
    0.0,
    -0.0,
    0.1,
    5e-324,
    2.2250738585072014e-308,
    1.7976931348623157e308,
    -1.7976931348623157e308,
    1e16,
    2.0**53,
)
PIECES = (
    '"',
    '""',
    "'",
    "\\",
    "\\\\",
    '\\"',
    '"\\',
    "\n",
    "\r\n",
    "\r",
    "\n\r",
    "\r\r\n",
    ",",
    "\t",
    ";",
    "|",
    "\0",
    "\ufeff",
    "\u2028",
    "\x85",
    "\x0b",
    "\x1a",
    "\x7f",
    "ä",
    "é",
    "e\u0301",
    "中文",
    "😀",
    "\u202e",
    "\uffff",
    "\U0010ffff",
    " ",
    "  ",
    "{",
    "}",
    "[",
    "]",
    ":",
    "#",
    "null",
    "NA",
    "true",
    "0x10",
    "1e5",
    "-1",
    "\\N",
    "\\n",
    "\\u0041",
    "yes",
    "</x>",
    "=1+1",
)
WORDS = ("plain", "size 5", "a longer text of several words", "x", "Größe", "row", "1", "007")
LONG_SIGNS = 40_000


def text(random_: random.Random) -> str:
    """A text: often plain, often awkward, at times empty or long."""
    kind = random_.random()
    if kind < 0.3:
        return random_.choice(WORDS)
    if kind < 0.35:
        return ""
    if kind < 0.3505:
        return "".join(random_.choice((*PIECES, *WORDS)) for _ in range(random_.randrange(LONG_SIGNS // 4)))
    if kind < 0.4:
        return "".join(chr(_scalar(random_)) for _ in range(random_.randrange(8)))
    return "".join(random_.choice(PIECES if random_.random() < 0.5 else WORDS) for _ in range(random_.randrange(1, 6)))


def _scalar(random_: random.Random) -> int:
    value = random_.randrange(0x110000)
    return value if not 0xD800 <= value < 0xE000 else value - 0x800


def integer(random_: random.Random) -> int:
    """An integer of 64 bits, often at an edge."""
    return (
        random_.choice(EDGES) if random_.random() < 0.3 else random_.randrange(-(2**63), 2**63) >> random_.randrange(64)
    )


def number(random_: random.Random) -> float:
    """A finite float of any size, often at an edge."""
    if random_.random() < 0.3:
        return random_.choice(FLOATS)
    if random_.random() < 0.5:
        return random_.uniform(-1000, 1000)
    while True:
        value: float = struct.unpack("d", random_.randbytes(8))[0]
        if abs(value) < float("inf"):
            return value


def text_rows(seed: str, count: int) -> list[Row]:
    """Rows of TEXT_COLUMNS."""
    random_ = random.Random(seed)

    def maybe(value: Any) -> Any:
        return None if random_.random() < 0.1 else value

    return [
        (
            number_,
            text(random_),
            maybe(integer(random_)),
            maybe(number(random_)),
            maybe(random_.random() < 0.5),
            random_.choice(LABELS),
        )
        for number_ in range(count)
    ]
