"""Quotes, doubled, bare, escaped in another dialect's way, or never closed (cudf 11984, 11948, 2398, 20812)."""

from tests.images.data.corpus.case import Bad, Case, Refused, both

HEAD = "id¦text¦label\n"
ANOTHER = "9¦plain¦no\n"
OTHER = (9, "plain", "no")
NOT_CLOSED = r"quote"


def _taken(name: str, field: str, value: str) -> list[Case]:
    """A text as it stands in the file, and the value that it is."""
    return [case.with_separator() for case in both(name, f"{HEAD}1¦{field}¦yes\n{ANOTHER}", (1, value, "yes"), OTHER)]


def _file_refused(name: str, text: str, line: int, remedy: str = "") -> list[Case]:
    return list(both(name, HEAD + text, refused=Refused(NOT_CLOSED, rf"line {line}\b", remedy)))


CASES = [
    # what RFC 4180 says
    *_taken("doubled quotes", '"say ""x"" again"', 'say "x" again'),
    *_taken("doubled quotes at both ends", '"""x"""', '"x"'),
    *_taken("a field of one quote", '""""', '"'),
    *_taken("a field of two quotes", '""""""', '""'),
    *_taken("an empty quoted field", '""', ""),
    *_taken("a quoted separator", '"a,b\tc;d|e"', "a,b\tc;d|e"),
    *_taken("a quoted line end", '"a\nb"', "a\nb"),
    *_taken("a quoted CRLF", '"a\r\nb"', "a\r\nb"),
    *_taken("a quoted lone CR", '"a\rb"', "a\rb"),
    *_taken("a quoted CR at the end", '"a\r"', "a\r"),
    *_taken("a quoted line end at the start", '"\na"', "\na"),
    *_taken("quoted blank lines", '"a\n\n\nb"', "a\n\n\nb"),
    *_taken("quoted lines that look like rows", '"a\n2¦x¦yes\n3¦y¦no"', "a\n2¦x¦yes\n3¦y¦no"),
    *_taken("a quote, a separator and a line end", '""",\n"""', '",\n"'),
    *_taken("quotes around spaces", '"  a  "', "  a  "),
    *_taken("spaces without quotes", "  a  ", "  a  "),
    # a bare quote in an unquoted field is text, as it is for Python's csv
    *_taken("an inch sign", 'size 5"', 'size 5"'),
    *_taken("inches twice", '5" by 7"', '5" by 7"'),
    *_taken("a quote inside a word", 'a"b', 'a"b'),
    *_taken("two quotes inside a word", 'a""b', 'a""b'),
    *_taken("two quotes behind a word", 'abc""', 'abc""'),
    *_taken("a quoted word inside a text", 'he said "yes"', 'he said "yes"'),
    *_taken("a quoted field behind a space", ' "a"', ' "a"'),
    *_taken("a quoted field behind a no-break space", '\u00a0"a"', '\u00a0"a"'),
    # other marks are text
    *_taken("single quotes", "'a'", "'a'"),
    *_taken("an apostrophe", "it's", "it's"),
    *_taken("typographic quotes", "“a”", "“a”"),
    *_taken("backticks", "`a`", "`a`"),
    *_taken("a number as Excel keeps it", '="007"', '="007"'),
    *_taken("a quote behind a sign", '@"a"', '@"a"'),
    *_taken("a comment sign", "# no comment", "# no comment"),
    # a backslash is a character like any other
    *_taken("a folder's name in quotes", '"C:\\"', "C:\\"),
    *_taken("a folder's name", "C:\\data\\", "C:\\data\\"),
    *_taken("a backslash and an n", "a\\nb", "a\\nb"),
    *_taken("two backslashes in quotes", '"a\\\\b"', "a\\\\b"),
    *_taken("a backslash before a doubled quote", '"a\\""b"', 'a\\"b'),
    *_taken("a backslash before a quoted line end", '"a\\\nb"', "a\\\nb"),
    *_taken("backslashes only", "\\\\\\", "\\\\\\"),
    # by RFC 4180 one record, however it came about
    *_taken("a quoted field over what may have been two rows", '"a¦yes\n2¦b"', "a¦yes\n2¦b"),
    *both("every field quoted", '"id"¦"text"¦"label"\n"1"¦"a"¦"yes"\n"9"¦"plain"¦"no"\n', (1, "a", "yes"), OTHER),
    *both("a quoted label and number", f'{HEAD}"1"¦a¦"yes"\n{ANOTHER}', (1, "a", "yes"), OTHER),
    # what follows a closing quote, and quotes that nothing closes: no later record can be told
    *_file_refused(
        "backslash-escaped quotes of four rows",
        '1¦"size 5\\""¦yes\n2¦"size 7\\""¦no\n3¦plain¦yes\n4¦plain¦no\n',
        2,
        "escape|dialect",
    ),
    *_file_refused(
        "a backslash-escaped quote in a field", f'1¦"say \\"x\\" again"¦yes\n{ANOTHER}', 2, "escape|dialect"
    ),
    *_file_refused("text behind a closing quote", f'1¦"a"b¦yes\n{ANOTHER}', 2),
    *_file_refused("a space behind a closing quote", f'1¦"a" ¦yes\n{ANOTHER}', 2),
    *_file_refused("a quote and an apostrophe", f'1¦"a"\'¦yes\n{ANOTHER}', 2),
    *_file_refused("an inner quote that is not doubled", f'1¦"PERDIDO LAND " CATTLE CO."¦yes\n{ANOTHER}', 2),
    *_file_refused("quotes around each word", f'1¦"a" "b"¦yes\n{ANOTHER}', 2),
    *_file_refused("a quoted label with text behind it", f'1¦a¦"yes"!\n{ANOTHER}', 2),
    *both(
        "a field that is never closed",
        f'{HEAD}1¦a¦yes\n2¦"b¦no\n3¦c¦yes\n',
        refused=Refused("not closed|unclosed|open"),
    ),
    *both("three quotes", f'{HEAD}1¦"""¦yes\n{ANOTHER}', refused=Refused("not closed|unclosed|open")),
    *both("a header that is never closed", '"id¦text¦label\n1¦a¦yes\n', refused=Refused("not closed|unclosed|open")),
    *both("the last sign opens a field", f'{HEAD}1¦a¦yes\n2¦b¦"', refused=Refused("not closed|unclosed|open")),
    *both("cut off inside a quoted field", f'{HEAD}1¦a¦yes\n2¦"b and', refused=Refused("not closed|unclosed|open")),
    # lines count, not records
    *both(
        "a short row behind a record of three lines",
        f'{HEAD}1¦"a\nb\nc"¦yes\n2¦s3cret\n{ANOTHER}',
        (1, "a\nb\nc", "yes"),
        OTHER,
        bad=(Bad(5, says="fields"),),
    ),
    *both(
        "a record of three lines is bad",
        f'{HEAD}1¦a¦yes\nx¦"s3cret\nb\nc"¦yes\n{ANOTHER}',
        (1, "a", "yes"),
        OTHER,
        bad=(Bad(3, "id", "integer"),),
    ),
    *both("a quoted number with a quote in it", f'{HEAD}"1"""¦a¦yes\n{ANOTHER}', OTHER, bad=(Bad(2, "id", "integer"),)),
]
