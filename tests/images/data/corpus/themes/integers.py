"""What is an integer's text, at every type's edges: one definition for every format and path."""

from tests.images.data.corpus.case import Case, Wrong, typed

GOOD = ("3", 3)
NOT = Wrong("integer")
DELIMITED: list[tuple[str, object]] = [
    ("0", 0),
    ("-1", -1),
    ("007", 7),
    ("-0", 0),
    (" 7", 7),
    ("7 ", 7),
    ("\t7\t", 7),
    ("  -7  ", -7),
    ("00000000000000000000000000000012", 12),
    ("-" + "0" * 5000 + "7", -7),
    ("0" * 5000, 0),
    ("9007199254740993", 9007199254740993),
    ("-9007199254740993", -9007199254740993),
    ("9223372036854775807", 2**63 - 1),
    ("-9223372036854775808", -(2**63)),
    ("9223372036854775808", NOT),
    ("-9223372036854775809", NOT),
    ("99999999999999999999999999", NOT),
    ("1" * 5000, NOT),
    ("0x10", NOT),
    ("-0x10", NOT),
    ("0X1F", NOT),
    (" 0x1", NOT),
    ("0x", NOT),
    ("0b1", NOT),
    ("0o7", NOT),
    ("+5", NOT),
    ("--5", NOT),
    ("- 5", NOT),
    ("-", NOT),
    ("1.0", NOT),
    ("1.", NOT),
    ("1e3", NOT),
    ("1_000", NOT),
    ("1 000", NOT),
    ("1,000", NOT),
    ("1.000", NOT),
    ("1\u00a0000", NOT),
    ("\u00a07", NOT),
    ("7\u00a0", NOT),
    ("\u20077", NOT),
    ("\x0b7", NOT),
    ("\x0c7", NOT),
    ("7\n", NOT),
    ("７", NOT),
    ("٧", NOT),
    ("७", NOT),
    ("²", NOT),
    ("−7", NOT),
    ("7L", NOT),
    ("#7", NOT),
    ("true", NOT),
    ("NaN", NOT),
    ("NA", NOT),
    ("null", NOT),
    (" ", NOT),
    ("7\0", NOT),
    ("\ufeff7", NOT),
]
JSON: list[tuple[str, object]] = [
    ("0", 0),
    ("-0", 0),
    ("9223372036854775807", 2**63 - 1),
    ("-9223372036854775808", -(2**63)),
    ("9007199254740993", 9007199254740993),
    ("9223372036854775808", NOT),
    ("-9223372036854775809", NOT),
    ("1" * 400, NOT),
    ("1" * 5000, Wrong()),
    ("1.0", NOT),
    ("1e3", NOT),
    ("1E0", NOT),
    ("true", NOT),
    ('"7"', NOT),
    ("[7]", NOT),
    ('{"a":7}', NOT),
]
NOT_JSON = ("007", "+5", "0x10", "-", "1_000", "7L", "--5", ".5", "5.", "NaN", "Infinity", "-Infinity", "nan", "True")
EDGES = {
    "int8": (-(2**7), 2**7 - 1),
    "int16": (-(2**15), 2**15 - 1),
    "int32": (-(2**31), 2**31 - 1),
    "uint8": (0, 2**8 - 1),
    "uint16": (0, 2**16 - 1),
    "uint32": (0, 2**32 - 1),
    "uint64": (0, 2**64 - 1),
}


def _edges() -> list[Case]:
    return [
        typed(kind, source_format, str(number), number if low <= number <= high else NOT, GOOD)
        for kind, (low, high) in EDGES.items()
        for number in (low, high, low - 1, high + 1)
        for source_format in ("csv", "jsonl")
    ]


def _not_json() -> list[Case]:
    cases = []
    for text in NOT_JSON:
        case = typed("int64", "jsonl", text, Wrong("JSON|number|integer|NaN"), GOOD)
        cases.append(case.at_line())
    return cases


CASES = [
    *(typed("int64", "csv", text, value, GOOD) for text, value in DELIMITED),
    *(typed("int64", "tsv", text, value, GOOD) for text, value in DELIMITED if text not in {"1,000", "7\n"}),
    *(typed("int64", "jsonl", text, value, GOOD) for text, value in JSON),
    *_not_json(),
    *_edges(),
]
