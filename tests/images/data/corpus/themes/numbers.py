"""Floats, decimals and truth values: what their text is."""

from decimal import Decimal

from tests.images.data.corpus.case import Case, Wrong, typed

NOT = Wrong("number")
FLOAT = ("1.5", 1.5)
FLOATS: list[tuple[str, object]] = [
    ("0", 0.0),
    ("-0.0", -0.0),
    ("1", 1.0),
    ("-1.5e3", -1500.0),
    ("1E+5", 100000.0),
    ("1e-5", 1e-05),
    ("0.1", 0.1),
    ("007.50", 7.5),
    (" 1.5 ", 1.5),
    ("\t1.5", 1.5),
    ("1.7976931348623157e308", 1.7976931348623157e308),
    ("-1.7976931348623157e308", -1.7976931348623157e308),
    ("2.2250738585072014e-308", 2.2250738585072014e-308),
    ("5e-324", 5e-324),
    ("9007199254740993", 9007199254740992.0),
    ("0.30000000000000004", 0.30000000000000004),
    ("123456789012345678901234567890", 1.2345678901234568e29),
    ("1.00000000000000011102230246251565404236316680908203125", 1.0),
    ("0." + "1" * 400, 0.1111111111111111),
    ("1e-5000", 0.0),
    ("-1e-5000", -0.0),
    ("0" * 5000 + "1.5", 1.5),
    ("0." + "0" * 5000 + "1", 0.0),
    ("5.", 5.0),
    (".5", 0.5),
    ("1e99999999999999999999", NOT),
    ("9" * 5000, NOT),
    ("1e309", NOT),
    ("-1e309", NOT),
    ("nan", NOT),
    ("NaN", NOT),
    ("-nan", NOT),
    ("inf", NOT),
    ("-Infinity", NOT),
    ("1.#INF", NOT),
    ("#DIV/0!", NOT),
    ("1_0.5", NOT),
    ("0x1p3", NOT),
    ("0x10", NOT),
    ("1,5", NOT),
    ("1.5.2", NOT),
    ("1 5", NOT),
    ("1e", NOT),
    ("e5", NOT),
    (".", NOT),
    ("-", NOT),
    ("1.5f", NOT),
    ("1.5%", NOT),
    ("$1.5", NOT),
    ("1d5", NOT),
    ("１.５", NOT),
    ("٣.٥", NOT),
    ("1\u00a0000.5", NOT),
    ("\u00a01.5", NOT),
    ("−1.5", NOT),
    ("1٫5", NOT),
    ("true", NOT),
    (" ", NOT),
    ("1.5\0", NOT),
]
JSON_FLOATS: list[tuple[str, object]] = [
    ("1", 1.0),
    ("-0.0", -0.0),
    ("0.1", 0.1),
    ("1e5", 100000.0),
    ("5e-324", 5e-324),
    ("1.7976931348623157e308", 1.7976931348623157e308),
    ("9007199254740993", 9007199254740992.0),
    ("123456789012345678901234567890", 1.2345678901234568e29),
    ("0.30000000000000004", 0.30000000000000004),
    ("1e309", NOT),
    ("-1e309", NOT),
    ("1" * 400, NOT),
    ('"1.5"', NOT),
    ('"NaN"', NOT),
    ("true", NOT),
    ("[1.5]", NOT),
]
TRUTHS: list[tuple[str, object]] = [
    *((text, True) for text in ("true", "True", "TRUE", "1")),
    *((text, False) for text in ("false", "False", "FALSE", "0")),
    *(
        (text, Wrong("true|bool"))
        for text in (
            "tRUE",
            "tRue",
            "fALSE",
            "yes",
            "no",
            "Y",
            "t",
            "f",
            "T",
            "on",
            "2",
            "01",
            "1.0",
            "-1",
            "wahr",
            "ｔrue",
            "١",
            "true!",
            " true",
            "true ",
            "\ttrue",
            "true\0",
            "NA",
        )
    ),
]
JSON_TRUTHS: list[tuple[str, object]] = [
    ("true", True),
    ("false", False),
    *((text, Wrong("true|bool")) for text in ("1", "0", '"true"', "1.0", "[true]", '""')),
]
DECIMAL = ("1.50", Decimal("1.50"))
DECIMALS: list[tuple[str, str, object]] = [
    ("decimal(5,2)", "123.45", Decimal("123.45")),
    ("decimal(5,2)", "-0.01", Decimal("-0.01")),
    ("decimal(5,2)", "100", Decimal("100.00")),
    ("decimal(5,2)", "999.99", Decimal("999.99")),
    ("decimal(5,2)", "1e2", Decimal("100.00")),
    ("decimal(5,2)", "1E-2", Decimal("0.01")),
    ("decimal(5,2)", "1e999999999", Wrong()),
    ("decimal(5,2)", "1e-999999999", Wrong()),
    ("decimal(5,2)", "1e3", Wrong()),
    ("decimal(5,5)", "0.12345", Decimal("0.12345")),
    ("decimal(5,5)", "1", Wrong()),
    ("decimal(5,2)", "1000", Wrong()),
    ("decimal(5,2)", "1000.00", Wrong()),
    ("decimal(5,2)", "123.456", Wrong()),
    ("decimal(5,2)", "0.001", Wrong()),
    ("decimal(38,0)", "9" * 38, Decimal("9" * 38)),
    ("decimal(38,0)", "9" * 39, Wrong()),
    ("decimal(38,10)", "1234567890123456789012345678.0123456789", Decimal("1234567890123456789012345678.0123456789")),
    ("decimal(20,18)", "0.1", Decimal("0.100000000000000000")),
]
NO_DECIMALS = ("abc", "1,5", "1_0", "NaN", "Infinity", "0x10", "١", "1.2.3", "-", "1 0")


CASES: list[Case] = [
    *(typed("float64", "csv", text, value, FLOAT) for text, value in FLOATS),
    *(typed("float64", "tsv", text, value, FLOAT) for text, value in FLOATS[::2]),
    *(typed("float64", "jsonl", text, value, FLOAT) for text, value in JSON_FLOATS),
    *(
        typed("float64", "jsonl", text, Wrong(), FLOAT).at_line()
        for text in ("NaN", "Infinity", "-Infinity", "nan", ".5", "1.", "+1.5", "01.5", "0x10", "1,5")
    ),
    *(typed("float32", source_format, "16777217", 16777216.0, FLOAT) for source_format in ("csv", "jsonl")),
    *(typed("float32", source_format, "0.1", 0.10000000149011612, FLOAT) for source_format in ("csv", "jsonl")),
    *(
        typed("float32", source_format, "3.4028234663852886e38", 3.4028234663852886e38, FLOAT)
        for source_format in ("csv", "jsonl")
    ),
    *(
        typed("float32", source_format, text, value, FLOAT)
        for text, value in (
            ("3.4028235e38", 3.4028234663852886e38),
            ("3.4028235677973367e38", NOT),
            ("1e-46", 0.0),
            ("1e-45", 1.401298464324817e-45),
            ("0.1000000014901161193847656250001", 0.10000000149011612),
        )
        for source_format in ("csv", "jsonl")
    ),
    *(typed("float32", source_format, "1e39", NOT, FLOAT) for source_format in ("csv", "jsonl")),
    *(
        typed("bool", source_format, text, value, ("true", True))
        for text, value in TRUTHS
        for source_format in ("csv", "tsv")
    ),
    *(typed("bool", "jsonl", text, value, ("true", True)) for text, value in JSON_TRUTHS),
    *(typed("bool", "jsonl", text, Wrong(), ("true", True)).at_line() for text in ("True", "TRUE", "yes", "tRUE")),
    *(
        typed(kind, source_format, text, value, ("0", Decimal(0)))
        for kind, text, value in DECIMALS
        for source_format in ("csv", "jsonl")
    ),
    *(typed("decimal(5,2)", "csv", text, Wrong("decimal|number"), DECIMAL) for text in NO_DECIMALS),
]
