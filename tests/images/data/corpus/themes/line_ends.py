"""Line ends, blank lines, what looks like one, and files that stop short."""

from tests.images.data.corpus.case import Bad, Case, Refused, both, lines

ROWS = ((1, "a", "yes"), (2, "b", "no"))
CSV_LINES = ["id¦text¦label", "1¦a¦yes", "2¦b¦no"]
JSON_LINES = ['{"id":1,"text":"a","label":"yes"}', '{"id":2,"text":"b","label":"no"}']


def _ended(name: str, template: str, bad: tuple[Bad, ...] = ()) -> list[Case]:
    """Every format with the template's lines: {0} is a header (of delimited text only), {1} and {2} are rows."""
    return [
        *both(name, template.format(*CSV_LINES), *ROWS, bad=bad),
        lines(name, template.replace("{0}\r\n", "").replace("{0}\n", "").format("", *JSON_LINES), *ROWS, bad=()),
    ]


def _inside(name: str, sign: str) -> list[Case]:
    """A sign that is no line end, unquoted and raw in a text."""
    value = f"a{sign}b"
    return [
        *both(name, f"id¦text¦label\n1¦{value}¦yes\n2¦b¦no\n", (1, value, "yes"), ROWS[1]),
        lines(name, f'{{"id":1,"text":"{value}","label":"yes"}}\n{JSON_LINES[1]}\n', (1, value, "yes"), ROWS[1]),
    ]


CASES = [
    *_ended("LF", "{0}\n{1}\n{2}\n"),
    *_ended("CRLF", "{0}\r\n{1}\r\n{2}\r\n"),
    *_ended("LF and CRLF mixed", "{0}\n{1}\r\n{2}\n"),
    *_ended("no line end behind the last row", "{0}\n{1}\n{2}"),
    *_ended("CRLF without the last one", "{0}\r\n{1}\r\n{2}"),
    *_ended("a blank line between", "{0}\n{1}\n\n{2}\n"),
    *_ended("a blank line of CRLF between", "{0}\r\n{1}\r\n\r\n{2}\r\n"),
    *_ended("blank lines at the end", "{0}\n{1}\n{2}\n\n\n\r\n"),
    *both("blank lines before the header", "\n\r\nid¦text¦label\n1¦a¦yes\n2¦b¦no\n", *ROWS),
    *both("blank lines behind the header", "id¦text¦label\n\n\n1¦a¦yes\n2¦b¦no\n", *ROWS),
    lines("blank lines at the start", "\n\r\n" + "\n".join(JSON_LINES), *ROWS),
    lines("lines of spaces and tabs", f"{JSON_LINES[0]}\n  \t \n{JSON_LINES[1]}\n", *ROWS),
    lines("spaces around each object", f"  {JSON_LINES[0]} \t\n\t{JSON_LINES[1]}  \r\n", *ROWS),
    *both("a line of spaces", "id¦text¦label\n1¦a¦yes\n   \n2¦b¦no\n", *ROWS, bad=(Bad(3, says="field"),)),
    *both("a line of quotes only", 'id¦text¦label\n1¦a¦yes\n""\n2¦b¦no\n', *ROWS, bad=(Bad(3, says="field"),)),
    # a CR alone
    *both("CR only", "id¦text¦label\r1¦a¦yes\r2¦b¦no\r", refused=Refused(r"\bCR\b|carriage return")),
    *both("CR only, a quoted field", 'id¦text¦label\r1¦"a"¦yes\r2¦b¦no\r', refused=Refused(r"\bCR\b|carriage return")),
    *both("CR only, no last one", "id¦text¦label\r1¦a¦yes\r2¦b¦no", refused=Refused(r"\bCR\b|carriage return")),
    lines("CR only", "\r".join(JSON_LINES) + "\r", bad=(Bad(1, says="CR|goes on"),)),
    *both(
        "a CR in a text", "id¦text¦label\n1¦a\rb¦yes\n2¦b¦no\n", ROWS[1], bad=(Bad(2, says=r"\bCR\b|carriage return"),)
    ),
    *both(
        "a CR before a separator",
        "id¦text¦label\n1¦a\r¦yes\n2¦b¦no\n",
        ROWS[1],
        bad=(Bad(2, says=r"\bCR\b|carriage return"),),
    ),
    *both(
        "a CR at the start of a row",
        "id¦text¦label\n\r1¦a¦yes\n2¦b¦no\n",
        ROWS[1],
        bad=(Bad(2, says=r"\bCR\b|carriage return"),),
    ),
    *both(
        "two CRs and a LF on one line",
        "id¦text¦label\n1¦a¦yes\r\r\n2¦b¦no\n",
        ROWS[1],
        bad=(Bad(2, says=r"\bCR\b|carriage return"),),
    ),
    *both("two CRs and a LF throughout", "id¦text¦label\r\r\n1¦a¦yes\r\r\n2¦b¦no\r\r\n", refused=Refused("")),
    lines("a CR between two objects", "\r".join(JSON_LINES) + "\n" + JSON_LINES[1], ROWS[1], bad=(Bad(1),)),
    lines("a CR between two tokens", f'{{"id":1,\r"text":"a","label":"yes"}}\n{JSON_LINES[1]}\n', *ROWS),
    lines("a raw CR in a text", f'{{"id":1,"text":"a\rb","label":"yes"}}\n{JSON_LINES[1]}\n', ROWS[1], bad=(Bad(1),)),
    # what Python's splitlines takes for a line end, and no format does
    *_inside("a vertical tab", "\x0b")[:2],
    *_inside("a form feed", "\x0c")[:2],
    *_inside("a file separator", "\x1c")[:2],
    *_inside("a record separator", "\x1e")[:2],
    *_inside("a next line sign", "\x85"),
    *_inside("a line separator", "\u2028"),
    *_inside("a paragraph separator", "\u2029"),
    *_inside("a delete sign", "\x7f"),
    *_inside("a NUL", "\0")[:2],
    *_inside("an end-of-file sign of DOS", "\x1a")[:2],
    # files that stop short
    *both("cut off inside a row", "id¦text¦label\n1¦a¦yes\n2¦b¦no\n3¦s3c", *ROWS, bad=(Bad(4, says="field"),)),
    *both("cut off behind a separator", "id¦text¦label\n1¦a¦yes\n2¦b¦no\n3¦", *ROWS, bad=(Bad(4, says="field"),)),
    *both("an end-of-file sign at the end", "id¦text¦label\n1¦a¦yes\n2¦b¦no\n\x1a", *ROWS, bad=(Bad(4, says="field"),)),
    *both("a tail of NULs", "id¦text¦label\n1¦a¦yes\n2¦b¦no\n" + "\0" * 64, *ROWS, bad=(Bad(4, says="field"),)),
    lines("cut off inside an object", "\n".join(JSON_LINES) + '\n{"id":3,"te', *ROWS, bad=(Bad(3),)),
    lines("cut off inside an escape", "\n".join(JSON_LINES) + '\n{"id":3,"text":"\\u00', *ROWS, bad=(Bad(3),)),
    lines("an end-of-file sign at the end", "\n".join(JSON_LINES) + "\n\x1a", *ROWS, bad=(Bad(3),)),
    lines("a tail of NULs", "\n".join(JSON_LINES) + "\n" + "\0" * 64, *ROWS, bad=(Bad(3),)),
    # nothing there
    *both("an empty file", "", refused=Refused("no row")),
    *both("line ends only", "\n\r\n\n", refused=Refused("no row")),
    *both("a header only", "id¦text¦label\n", refused=Refused("no row")),
    *both("a header only, without a line end", "id¦text¦label", refused=Refused("no row")),
    *both("a header and blank lines", "id¦text¦label\n\n\r\n", refused=Refused("no row")),
    lines("an empty file", "", refused=Refused("no row")),
    lines("blank lines only", "\n  \n\r\n", refused=Refused("no row")),
]
