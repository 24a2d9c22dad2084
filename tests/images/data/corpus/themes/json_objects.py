"""JSON Lines: one object a line, each key once, whole characters, no more and no less."""

from tests.images.data.corpus.case import Bad, Case, Refused, column, lines

A, B = '{"id":1,"text":"a","label":"yes"}', '{"id":2,"text":"b","label":"no"}'
ROW_A, ROW_B = (1, "a", "yes"), (2, "b", "no")
DROP = {"extra_columns": "drop"}


def _text(name: str, written: str, value: str) -> Case:
    """A text as JSON has it."""
    return lines(name, f'{{"id":1,"text":{written},"label":"yes"}}\n{B}\n', (1, value, "yes"), ROW_B)


def _bad(name: str, line: str | bytes, says: str = "", field: str = "", **fields: object) -> Case:
    """A line that is no row, behind a good one and before another."""
    data = line if isinstance(line, bytes) else line.encode()
    content = A.encode() + b"\n" + data + b"\n" + B.encode() + b"\n"
    return lines(name, content, ROW_A, ROW_B, bad=(Bad(2, field, says),), **fields)


def _extra(name: str, value: str | bytes, **fields: object) -> Case:
    """A field that is not declared and left out."""
    data = value if isinstance(value, bytes) else value.encode()
    content = b'{"id":1,"more":' + data + b',"text":"a","label":"yes"}\n' + B.encode() + b"\n"
    return lines(name, content, ROW_A, ROW_B, dataset=DROP, dropped=("more",), **fields)


CASES: list[Case] = [
    # texts
    _text("escapes", r'"\" \\ \/ \b \f \n \r \t"', '" \\ / \b \f \n \r \t'),
    _text("an escaped letter", r'"\u00e4\u4e2d"', "ä中"),
    _text("a pair of surrogates", r'"\ud83d\ude00"', "😀"),
    _text("a pair in capitals", r'"\uD83D\uDE00"', "😀"),
    _text("two pairs", r'"\ud83d\ude00\ud83d\ude00"', "😀😀"),
    _text("an escaped NUL", r'"a\u0000b"', "a\0b"),
    _text("an escaped BOM", r'"\ufeffa"', "\ufeffa"),
    _text("a raw BOM in a text", '"\ufeffa"', "\ufeffa"),
    _text("an escaped noncharacter", r'"\uffff\ufdd0"', "\uffff\ufdd0"),
    _text("letters outside ASCII", '"größe 中文 😀 \u202e"', "größe 中文 😀 \u202e"),
    _text("a combining accent", '"e\u0301"', "e\u0301"),
    _text("an empty text", '""', ""),
    _text("a text that looks like a number", '"007"', "007"),
    _text("a text that looks like null", '"null"', "null"),
    _text("a text that is JSON", r'"{\"id\":9}"', '{"id":9}'),
    _text("braces in a text", '"}{][,:"', "}{][,:"),
    _text("backslashes at the end", r'"C:\\"', "C:\\"),
    _text("a backslash before an escape", r'"\\u0041"', r"\u0041"),
    _text("spaces", '"  a  "', "  a  "),
    # halves of surrogate pairs
    _bad("a first half", r'{"id":7,"text":"\ud83d","label":"yes"}', "surrogate", "text"),
    _bad("a second half", r'{"id":7,"text":"\ude00","label":"yes"}', "surrogate", "text"),
    _bad("halves the wrong way round", r'{"id":7,"text":"\ude00\ud83d","label":"yes"}', "surrogate", "text"),
    _bad("a first half before a letter", r'{"id":7,"text":"\ud83dx","label":"yes"}', "surrogate", "text"),
    _bad("a first half before an escape", r'{"id":7,"text":"\ud83d\n","label":"yes"}', "surrogate", "text"),
    _bad("two first halves and a second", r'{"id":7,"text":"\ud83d\ud83d\ude00","label":"yes"}', "surrogate", "text"),
    # keys
    lines("another order", '{"label":"yes","text":"a","id":1}\n', ROW_A),
    lines("an escaped key", '{"\\u0069d":1,"text":"a","label":"yes"}\n', ROW_A),
    _bad("a key twice", '{"id":7,"text":"s3cret","text":"b","label":"yes"}', "twice", "text"),
    _bad("a key twice with one value", '{"id":7,"id":7,"text":"b","label":"yes"}', "twice", "id"),
    _bad("a key twice, once escaped", '{"id":7,"\\u0069d":8,"text":"b","label":"yes"}', "twice", "id"),
    _bad("a key twice, once null", '{"id":7,"text":null,"text":"b","label":"yes"}', "twice", "text"),
    _bad("a key that is missing", '{"id":7,"label":"yes"}', "missing", "text"),
    _bad("an empty object", "{}", "missing", "id"),
    _bad("a null", '{"id":7,"text":null,"label":"yes"}', "null", "text"),
    _bad("a key of another case", '{"ID":7,"text":"b","label":"yes"}', "declared|missing"),
    _bad("a key more", '{"id":7,"text":"b","label":"yes","more":1}', "not declared", "more"),
    _bad("a key with a space", '{"id ":7,"text":"b","label":"yes"}', "declared|missing"),
    _bad("an empty key", '{"id":7,"":1,"text":"b","label":"yes"}', "not declared"),
    # other types
    _bad("a number for a text", '{"id":7,"text":7,"label":"yes"}', "string", "text"),
    _bad("a truth value for a text", '{"id":7,"text":true,"label":"yes"}', "string", "text"),
    _bad("a list for a text", '{"id":7,"text":["b"],"label":"yes"}', "string", "text"),
    _bad("an object for a text", '{"id":7,"text":{"a":"b"},"label":"yes"}', "string", "text"),
    # lines that are no object
    *(
        _bad(f"the line {line[:12]!r}", line)
        for line in (
            "null",
            "true",
            "7",
            '"a"',
            "[]",
            "[1]",
            "nonsense",
            "s3cret {",
            "{",
            "}",
            "{}{}",
            "// a comment",
            "# a comment",
            ",",
            "[" * 200,
            "NaN",
            "{]",
            "'a'",
        )
    ),
    _bad("two objects", f"{A}{B}"),
    _bad("two objects and a space", f"{A} {B}"),
    _bad("an object and a number", f"{A} 7"),
    _bad("an object and a comma", f"{A},"),
    _bad("an object and a semicolon", f"{A};"),
    _bad("an object and a comment", f"{A} // again"),
    _bad("an object and a NUL", f"{A}\0"),
    _bad("an object in a list", f"[{A}]"),
    _bad("an object in a text", '"{\\"id\\":7}"'),
    _bad("a comma at the end", '{"id":7,"text":"b","label":"yes",}'),
    _bad("single quotes", "{'id':7,'text':'b','label':'yes'}"),
    _bad("keys without quotes", '{id:7,"text":"b","label":"yes"}'),
    _bad("a comment", '{"id":7,/* */"text":"b","label":"yes"}'),
    _bad("a raw tab in a text", '{"id":7,"text":"a\tb","label":"yes"}'),
    _bad("a raw NUL in a text", '{"id":7,"text":"a\0b","label":"yes"}'),
    _bad("a raw escape sign in a text", '{"id":7,"text":"\x1b[1m","label":"yes"}'),
    _bad("an unknown escape", r'{"id":7,"text":"\x41","label":"yes"}'),
    _bad("a short escape", r'{"id":7,"text":"\u41","label":"yes"}'),
    _bad("an octal escape", r'{"id":7,"text":"\101","label":"yes"}'),
    _bad("a no-break space between tokens", '{"id":7,\u00a0"text":"b","label":"yes"}'),
    _bad("a BOM in the middle of the file", "\ufeff" + '{"id":7,"text":"b","label":"yes"}'),
    _bad("the word None", '{"id":7,"text":None,"label":"yes"}'),
    _bad("the word undefined", '{"id":7,"text":undefined,"label":"yes"}'),
    _bad("a text without its end", '{"id":7,"text":"s3cret}'),
    # bytes
    _bad("Latin-1 in a text", b'{"id":7,"text":"s3cret\xe9","label":"yes"}', "UTF-8"),
    _bad("Latin-1 in a key", b'{"id":7,"text":"b","label":"yes","\xe9":1}', "UTF-8"),
    _bad("an overlong slash", b'{"id":7,"text":"\xc0\xaf","label":"yes"}', "UTF-8"),
    _bad("a surrogate in UTF-8", b'{"id":7,"text":"\xed\xa0\xbd\xed\xb8\x80","label":"yes"}', "UTF-8"),
    _bad("beyond Unicode", b'{"id":7,"text":"\xf4\x90\x80\x80","label":"yes"}', "UTF-8"),
    _bad("half a character", b'{"id":7,"text":"\xe4\xb8","label":"yes"}', "UTF-8"),
    _bad("a line of other bytes", b"\xff\xfe\xfd"),
    # the whole file
    lines("a BOM at the start", "\ufeff" + A + "\n" + B + "\n", ROW_A, ROW_B),
    lines("a list of objects", f"[{A},\n{B}]\n", refused=Refused("")),
    lines("one list on one line", f"[{A},{B}]\n", refused=Refused("object")),
    lines(
        "objects over several lines",
        '{\n "id": 1,\n "text": "a",\n "label": "yes"\n}\n',
        bad=tuple(Bad(line) for line in range(1, 6)),
    ),
    lines("a first line null", f"null\n{B}\n", ROW_B, bad=(Bad(1),)),
    lines("a first line null behind a blank one", f"\n null\n{B}\n", ROW_B, bad=(Bad(2),)),
    lines("UTF-16", f"{A}\n{B}\n".encode("utf-16"), refused=Refused("UTF-16")),
    lines("UTF-16 without a mark", f"{A}\n{B}\n".encode("utf-16-le"), refused=Refused("UTF-16|JSON|read")),
    lines("UTF-32", f"{A}\n{B}\n".encode("utf-32"), refused=Refused("UTF-32")),
    _bad(
        "twenty thousand fields more",
        '{"id":7,' + "".join(f'"f{n}":1,' for n in range(20_000)) + '"text":"b"}',
        "declared|missing",
    ),
    _bad("one key twenty thousand times", "{" + '"text":"b",' * 20_000 + '"id":7}', "twice|missing"),
    _bad(
        "twenty thousand keys twice",
        '{"id":7,' + "".join(f'"f{n}":1,' for n in range(10_000)) * 2 + '"id":7}',
        "twice|declared",
    ),
    # fields that are left out
    _extra("an extra object", '{"a":[1,{"b":null}]}'),
    _extra("an extra list", "[1,[2,[3]]]"),
    _extra("an extra null", "null"),
    _extra("an extra number beyond every type", "1" * 400),
    _extra("an extra half of a surrogate pair", r'"\ud83d"'),
    _extra("an extra nesting of a hundred", "[" * 100 + "]" * 100),
    _bad("an extra field twice", '{"id":7,"x":1,"x":2,"text":"b"}', "missing|twice", dataset=DROP, dropped=("x",)),
    _bad("a torn last line where fields are left out", '{"id":7,"x":1,"te', dataset=DROP),
    _bad("Latin-1 in a field that is left out", b'{"id":7,"x":"\xe9","text":"b","label":"yes"}', "UTF-8", dataset=DROP),
    _bad("two objects where fields are left out", f"{A}{B}", dataset=DROP),
    # Python's json takes these words, and no value of a declared column comes of them
    *(_extra(f"an extra {word}", word) for word in ("NaN", "Infinity", "-Infinity")),
    *(
        _bad(f"{word} in a field that is left out", f'{{"id":7,"x":{word},"text":"b","label":"yes"}}', dataset=DROP)
        for word in ("Inf", "inf", "nan", "-NaN", "+1", "01")
    ),
    _bad("no object where fields are left out", "[1]", dataset=DROP),
    _bad(
        "a nesting of a hundred thousand",
        '{"id":7,"x":' + "[" * 100_000 + "]" * 100_000 + ',"text":"b","label":"yes"}',
        dataset=DROP,
    ),
    _bad("a nesting of objects", '{"a":' * 50_000 + "1" + "}" * 50_000, dataset=DROP),
    lines(
        "a key of another case is left out",
        '{"id":1,"TEXT":"x","text":"a","label":"yes"}\n' + B + "\n",
        ROW_A,
        ROW_B,
        dataset=DROP,
        dropped=("TEXT",),
    ),
    # nothing where a value may be missing
    lines(
        "missing and null",
        '{"id":1,"label":"yes"}\n{"id":2,"value":null,"label":"no"}\n{"id":3,"value":"","label":"no"}\n',
        (1, None, "yes"),
        (2, None, "no"),
        (3, "", "no"),
        columns=column("string", nullable=True),
    ),
    lines(
        "a column that no row has",
        '{"id":1,"label":"yes"}\n{"id":2,"label":"no"}\n',
        (1, None, "yes"),
        (2, None, "no"),
        columns=column("int64", nullable=True),
    ),
]
