"""Declared dialects: other signs, escapes (spark-csv 390), null words, decimal marks."""

from decimal import Decimal
from typing import Any

from millrace.contracts.data import Dialect
from tests.images.data.corpus.case import Bad, Case, Refused, both, column, delimited

ROW_B = (2, "b", "no")
OTHER = (9, "plain", "no")
ESCAPED = Dialect(escape="\\")
UNQUOTED = Dialect(quote=None)
HIVE = Dialect(delimiter="\x01", quote=None, escape="\\")


def _escaped(name: str, field: str, value: str, dialect: Dialect = ESCAPED) -> list[Case]:
    """A text with an escape anywhere, as Python's csv, Hive and MySQL write it."""
    text = f"id¦text¦label\n1¦{field}¦yes\n9¦plain¦no\n"
    cases = both(f"an escape anywhere: {name}", text, (1, value, "yes"), OTHER, dialect=dialect)
    return [case.with_separator() for case in cases]


def _escape_refused(name: str, field: str) -> list[Case]:
    text = f"id¦text¦label\n1¦{field}¦yes\n9¦plain¦no\n"
    return list(both(f"an escape anywhere: {name}", text, OTHER, dialect=ESCAPED, bad=(Bad(2, says="escape"),)))


def _unquoted(name: str, field: str) -> list[Case]:
    text = f"id¦text¦label\n1¦{field}¦yes\n9¦plain¦no\n"
    return list(both(f"no quotes: {name}", text, (1, field, "yes"), OTHER, dialect=UNQUOTED))


def _signs(delimiter: str, quote: str | None = '"') -> Case:
    dialect = Dialect(delimiter=delimiter, quote=quote)
    text = "a,b;c" if delimiter not in ",;" else "a|b"
    quoted = f"{quote}x{delimiter}y{quote}{quote}z\n{quote}" if quote else "x"
    value = f"x{delimiter}y{quote}z\n" if quote else "x"
    content = (
        "\n".join(delimiter.join(row) for row in (("id", "text", "label"), ("1", quoted, "yes"), ("2", text, "no")))
        + "\n"
    )
    return delimited(
        f"the signs {delimiter!r} and {quote!r}", content, (1, value, "yes"), (2, text, "no"), dialect=dialect
    )


def _decimal_mark(name: str, kind: str, text: str, expected: object, mark: Any = ",") -> Case:
    content = f"id;value;label\n1;{text};yes\n2;0;no\n"
    zero = Decimal("0.00") if kind.startswith("decimal") else 0.0
    good = (2, zero, "no")
    rows = (good,) if expected is None else ((1, expected, "yes"), good)
    bad = (Bad(2, "value"),) if expected is None else ()
    dialect = Dialect(delimiter=";", decimal_mark=mark)
    return delimited(f"decimal mark: {name}", content, *rows, columns=column(kind), dialect=dialect, bad=bad)


def _null(
    name: str, words: tuple[str, ...], kind: str, field: str, expected: object, bad: bool = False, nullable: bool = True
) -> Case:
    content = f"id,value,label\n1,{field},yes\n2,7,no\n"
    good = (2, {"int64": 7, "float64": 7.0, "string": "7"}[kind], "no")
    rows = (good,) if bad else ((1, expected, "yes"), good)
    return delimited(
        f"null words {words}: {name}",
        content,
        *rows,
        columns=column(kind, nullable=nullable),
        dialect=Dialect(null_words=words),
        bad=(Bad(2, "value"),) if bad else (),
    )


CASES: list[Case] = [
    # an escape makes quote, delimiter, line end and itself text, and nothing else
    *_escaped("a quote in quotes", '"size 5\\""', 'size 5"'),
    *_escaped("a quote outside of quotes", 'size 5\\"', 'size 5"'),
    *_escaped("a quote at the start", '\\"a\\"', '"a"'),
    *_escaped("the separator", "a\\¦b", "a¦b"),
    *_escaped("the separator in quotes", '"a\\¦b"', "a¦b"),
    *_escaped("itself", "a\\\\b", "a\\b"),
    *_escaped("itself at the end of a quoted field", '"C:\\\\"', "C:\\"),
    *_escaped("itself before a separator", "C:\\\\", "C:\\"),
    *_escaped("itself and a quote", '"a\\\\\\"b"', 'a\\"b'),
    *_escaped("a line end", "a\\\nb", "a\nb"),
    *_escaped("a line end in quotes", '"a\\\nb"', "a\nb"),
    *_escaped("a doubled quote beside it", '"a""b\\"c"', 'a"b"c'),
    *_escaped("quotes of a whole field", '"\\"\\""', '""'),
    *_escape_refused("a letter", "a\\nb"),
    *_escape_refused("a letter in quotes", '"a\\nb"'),
    *_escape_refused("a folder's name", "C:\\data"),
    *_escape_refused("a letter outside ASCII", "a\\é"),
    *both(
        "an escape anywhere: four rows of cudf 11984",
        'id¦text¦label\n1¦"size 5\\""¦yes\n2¦"size 7\\""¦no\n3¦plain¦yes\n4¦plain¦no\n',
        (1, 'size 5"', "yes"),
        (2, 'size 7"', "no"),
        (3, "plain", "yes"),
        (4, "plain", "no"),
        dialect=ESCAPED,
    ),
    *both(
        "an escape at the end of the file",
        "id¦text¦label\n1¦a¦yes\n2¦b¦no\\",
        dialect=ESCAPED,
        refused=Refused("escape"),
    ),
    *both(
        "an escape that keeps a quote open",
        'id¦text¦label\n1¦"a\\"¦yes\n2¦b¦no\n',
        dialect=ESCAPED,
        refused=Refused("not closed|unclosed|open"),
    ),
    *_escaped("a circumflex", '"a^"b^^"', 'a"b^', Dialect(escape="^")),
    *_escaped("a circumflex, and backslashes are text", "a\\nb^¦", "a\\nb¦", Dialect(escape="^")),
    # no quotes
    *_unquoted("a quoted word", '"a"'),
    *_unquoted("an open quote", '"a'),
    *_unquoted("quotes doubled", 'say ""x""'),
    *_unquoted("an inch sign", '5"'),
    *_unquoted("a backslash", "C:\\"),
    *both(
        "no quotes: a line end is one",
        'id¦text¦label\n1¦"a\nb"¦yes\n2¦b¦no\n',
        ROW_B,
        dialect=UNQUOTED,
        bad=(Bad(2), Bad(3)),
    ),
    delimited(
        "Hive's own: escaped separators and line ends",
        'id\x01text\x01label\n1\x01a\\\x01b\\\nc\\\\\x01yes\n2\x01"b\x01no\n',
        (1, "a\x01b\nc\\", "yes"),
        (2, '"b', "no"),
        dialect=HIVE,
    ),
    # signs
    *(_signs(delimiter) for delimiter in (";", "|", "\t", "\x01", "\x1f", " ", ":", "~", "^", "Q")),
    *(_signs(delimiter, quote) for delimiter, quote in ((",", "'"), ("|", "`"), (";", None), ("\x1e", "\x1f"))),
    Case(
        "commas that are declared",
        "tsv",
        b'id,text,label\n1,"a,b\tc",yes\n',
        ((1, "a,b\tc", "yes"),),
        dialect=Dialect(delimiter=","),
    ),
    delimited(
        "double quotes are text where single ones quote",
        "id,text,label\n1,'say \"x\", it''s',yes\n",
        (1, 'say "x", it\'s', "yes"),
        dialect=Dialect(quote="'"),
    ),
    delimited(
        "commas where semicolons are declared",
        "id,text,label\n1,a,yes\n",
        dialect=Dialect(delimiter=";"),
        refused=Refused("columns"),
    ),
    # decimal marks
    _decimal_mark("a comma", "float64", "1,5", 1.5),
    _decimal_mark("a comma and an exponent", "float64", "-1,5e3", -1500.0),
    _decimal_mark("an integer", "float64", "15", 15.0),
    _decimal_mark("a decimal", "decimal(5,2)", "1,50", Decimal("1.50")),
    _decimal_mark("a point where a comma is declared", "float64", "1.5", None),
    _decimal_mark("a point that parts thousands", "float64", "1.234,5", None),
    _decimal_mark("two commas", "float64", "1,2,3", None),
    _decimal_mark("a comma where a point is declared", "float64", "1,5", None, "."),
    delimited(
        "decimal mark: quoted, between commas of TSV's brother",
        'id\tvalue\tlabel\n1\t"1,5"\tyes\n',
        (1, 1.5, "yes"),
        columns=column("float64"),
        dialect=Dialect(delimiter="\t", decimal_mark=","),
    ),
    delimited(
        "decimal mark: integers have none",
        "id;value;label\n1;1,0;yes\n2;7;no\n",
        (2, 7, "no"),
        columns=column("int64"),
        dialect=Dialect(delimiter=";", decimal_mark=","),
        bad=(Bad(2, "value"),),
    ),
    # null words
    _null("an empty number", ("",), "int64", "", None),
    _null("an empty quoted number", ("",), "int64", '""', None),
    _null("an empty number that may not be missing", ("",), "int64", "", None, bad=True, nullable=False),
    _null("spaces are none", ("",), "int64", " ", None, bad=True),
    _null("an empty text stays", ("",), "string", "", ""),
    _null("NA is text by default", ("",), "string", "NA", "NA"),
    _null("NULL is text by default", ("",), "string", "NULL", "NULL"),
    _null("a declared word", ("NA",), "int64", "NA", None),
    _null("a declared word of a text", ("NA",), "string", "NA", None),
    _null("a declared word, quoted", ("NA",), "string", '"NA"', None),
    _null("a declared word in another case", ("NA",), "string", "na", "na"),
    _null("a declared word with a space", ("NA",), "string", "NA ", "NA "),
    _null("a declared word inside a text", ("NA",), "string", "NAB", "NAB"),
    _null("an empty number where another word is declared", ("NA",), "int64", "", None, bad=True),
    _null("an empty text where another word is declared", ("NA",), "string", "", ""),
    _null("several words", ("", "NA", "n/a", "-"), "float64", "n/a", None),
    _null("a dash", ("", "-"), "float64", "-", None),
    _null("a space", (" ",), "float64", " ", None),
    _null("no word at all", (), "int64", "", None, bad=True),
    _null("NaN", ("", "NaN"), "float64", "NaN", None),
    _null("MySQL's", ("\\N",), "string", "\\N", None),
    _null("MySQL's of a number", ("\\N",), "int64", "\\N", None),
    _null("a word of a column that may not be missing", ("NA",), "string", "NA", None, bad=True, nullable=False),
    _null("a word that is a number", ("-999",), "int64", "-999", None),
    _null("a number that only begins like it", ("-999",), "int64", "-9990", -9990),
    _null("a word with a comma", ("a,b",), "string", '"a,b"', None),
]
