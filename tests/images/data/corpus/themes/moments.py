"""Dates, timestamps, binary values and lists: what their text is."""

from datetime import UTC, date, datetime

from tests.images.data.corpus.case import Bad, Case, Wrong, both, column, lines, typed

NO_DATE, NO_TIME = Wrong("date"), Wrong("timestamp")
DATES: list[tuple[str, object]] = [
    ("2026-01-31", date(2026, 1, 31)),
    ("2024-02-29", date(2024, 2, 29)),
    ("0001-01-01", date(1, 1, 1)),
    ("1582-10-10", date(1582, 10, 10)),
    ("1969-12-31", date(1969, 12, 31)),
    ("9999-12-31", date(9999, 12, 31)),
    ("2023-02-29", NO_DATE),
    ("1900-02-29", NO_DATE),
    ("2026-02-30", NO_DATE),
    ("2026-13-01", NO_DATE),
    ("2026-00-10", NO_DATE),
    ("0000-01-01", NO_DATE),
    ("2026-1-3", NO_DATE),
    ("31.01.2026", NO_DATE),
    ("01/31/2026", NO_DATE),
    ("20260131", NO_DATE),
    ("2026-W05-6", NO_DATE),
    ("2026-031", NO_DATE),
    ("26-01-31", NO_DATE),
    ("12026-01-31", NO_DATE),
    ("2026-01-31T00:00:00", NO_DATE),
    ("2026-01-31 00:00:00", NO_DATE),
    ("２026-01-31", NO_DATE),
    ("2026–01–31", NO_DATE),
    ("45322", NO_DATE),
    ("today", NO_DATE),
]
TIMES: list[tuple[str, object]] = [
    ("2026-01-31T08:00:00Z", datetime(2026, 1, 31, 8, tzinfo=UTC)),
    ("2026-01-31T08:00:00+01:00", datetime(2026, 1, 31, 7, tzinfo=UTC)),
    ("2026-01-01T00:30:00+05:45", datetime(2025, 12, 31, 18, 45, tzinfo=UTC)),
    ("2026-01-31T08:00:00-08:00", datetime(2026, 1, 31, 16, tzinfo=UTC)),
    ("2026-01-31T08:00:00.5Z", datetime(2026, 1, 31, 8, 0, 0, 500000, tzinfo=UTC)),
    ("2026-01-31T08:00:00.123456Z", datetime(2026, 1, 31, 8, 0, 0, 123456, tzinfo=UTC)),
    ("1969-12-31T23:59:59.999999Z", datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)),
    ("0001-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=UTC)),
    ("9999-12-31T23:59:59.999999Z", datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)),
    ("0001-01-01T00:00:00+01:00", NO_TIME),
    ("9999-12-31T23:59:59-01:00", NO_TIME),
    ("2026-01-31T24:00:00Z", NO_TIME),
    ("2026-06-30T23:59:60Z", NO_TIME),
    ("2026-01-31T08:00:00+24:00", NO_TIME),
    ("2026-01-31T08:00:00", NO_TIME),
    ("2026-01-31T08:00:00.123456789Z", NO_TIME),
    ("2026-01-31", NO_TIME),
    ("2026-01-31T25:00:00Z", NO_TIME),
    ("2026-01-31T08:60:00Z", NO_TIME),
    ("2026-02-30T08:00:00Z", NO_TIME),
    ("2026-01-31T08:00:00 CET", NO_TIME),
    ("2026-01-31T08:00:00[Europe/Berlin]", NO_TIME),
    ("31.01.2026 08:00", NO_TIME),
    ("1769846400", NO_TIME),
    ("1769846400000", NO_TIME),
    ("now", NO_TIME),
    ("２026-01-31T08:00:00Z", NO_TIME),
]
BINARIES: list[tuple[str, object]] = [
    ("AAEC", b"\0\1\2"),
    ("aGk=", b"hi"),
    ("/+8=", b"\xff\xef"),
    ("aGk", Wrong("base64")),
    ("a", Wrong("base64")),
    ("***", Wrong("base64")),
    ("aG k=", Wrong("base64")),
    ("aGk=!", Wrong("base64")),
    ("ä", Wrong("base64")),
]
WORDS = column("list<string>")
NUMBERS = column("list<int64>")


def _quoted(table: list[tuple[str, object]]) -> list[tuple[str, object]]:
    return [(f'"{text}"', value) for text, value in table]


CASES: list[Case] = [
    *(typed("date", "csv", text, value, ("2026-02-01", date(2026, 2, 1))) for text, value in DATES),
    *(typed("date", "tsv", text, value, ("2026-02-01", date(2026, 2, 1))) for text, value in DATES[::3]),
    *(typed("date", "jsonl", text, value, ('"2026-02-01"', date(2026, 2, 1))) for text, value in _quoted(DATES)),
    *(
        typed("timestamp", "csv", text, value, ("2026-02-01T00:00:00Z", datetime(2026, 2, 1, tzinfo=UTC)))
        for text, value in TIMES
    ),
    *(
        typed("timestamp", "jsonl", text, value, ('"2026-02-01T00:00:00Z"', datetime(2026, 2, 1, tzinfo=UTC)))
        for text, value in [*_quoted(TIMES), ("1769846400", NO_TIME), ("1769846400.5", NO_TIME)]
    ),
    *(typed("binary", "csv", text, value, ("AAAA", b"\0\0\0")) for text, value in BINARIES),
    *(typed("binary", "jsonl", text, value, ('"AAAA"', b"\0\0\0")) for text, value in _quoted(BINARIES)),
    # lists: items joined by "|" in delimited text
    *both("a list", "id¦value¦label\n1¦a|b¦yes\n2¦c¦no\n", (1, ["a", "b"], "yes"), (2, ["c"], "no"), columns=WORDS),
    *both("an empty list", "id¦value¦label\n1¦¦yes\n2¦c¦no\n", (1, [], "yes"), (2, ["c"], "no"), columns=WORDS),
    *both("empty items", "id¦value¦label\n1¦|a||¦yes\n", (1, ["", "a", "", ""], "yes"), columns=WORDS),
    *both("spaces around items", "id¦value¦label\n1¦a | b¦yes\n", (1, ["a ", " b"], "yes"), columns=WORDS),
    *both("a quoted list", 'id¦value¦label\n1¦"a|""b""|c\nd"¦yes\n', (1, ["a", '"b"', "c\nd"], "yes"), columns=WORDS),
    *both(
        "a list of integers",
        "id¦value¦label\n1¦1|-2|9223372036854775807¦yes\n",
        (1, [1, -2, 2**63 - 1], "yes"),
        columns=NUMBERS,
    ),
    *both(
        "lists of no integers",
        "id¦value¦label\n1¦1|x¦yes\n2¦1|¦yes\n3¦1.0¦yes\n4¦5¦no\n",
        (4, [5], "no"),
        columns=NUMBERS,
        bad=(Bad(2, "value"), Bad(3, "value"), Bad(4, "value")),
    ),
    lines("a list", '{"id":1,"value":["a|b","",  "c"],"label":"yes"}\n', (1, ["a|b", "", "c"], "yes"), columns=WORDS),
    lines("an empty list", '{"id":1,"value":[],"label":"yes"}\n', (1, [], "yes"), columns=WORDS),
    lines(
        "lists of other things",
        "".join(
            f'{{"id":{n},"value":{value},"label":"yes"}}\n'
            for n, value in enumerate(('"a|b"', '["a",1]', '["a",["b"]]', '{"a":1}', '["a",null]', '["b"]'))
        ),
        (5, ["b"], "yes"),
        columns=WORDS,
        bad=tuple(Bad(line, "value") for line in range(1, 6)),
    ),
    lines(
        "a list of lists",
        '{"id":1,"value":[[1],[],[2,3]],"label":"yes"}\n',
        (1, [[1], [], [2, 3]], "yes"),
        columns=column("list<list<int64>>"),
    ),
    lines(
        "a list of numbers",
        '{"id":1,"value":[1,2.5],"label":"yes"}\n',
        (1, [1.0, 2.5], "yes"),
        columns=column("list<float64>"),
    ),
]
