"""UTF-8 and what is not, declared encodings, and bytes that look like separators inside of characters."""

import codecs
from typing import Any

from millrace.contracts.data import Dialect
from tests.images.data.corpus.case import Bad, Case, Refused, both, delimited

HEAD = "id¦text¦label\n".encode()
A, B = "1¦a¦yes\n".encode(), "2¦b¦no\n".encode()
ROW_A, ROW_B = (1, "a", "yes"), (2, "b", "no")


def _bad_bytes(name: str, text: bytes) -> list[Case]:
    row = "7¦".encode() + b"s3cret" + text + "¦yes\n".encode()
    return list(both(name, HEAD + A + row + B, ROW_A, ROW_B, bad=(Bad(3, says="UTF-8"),)))


def _declared(name: str, encoding: str, text: str, **dialect: Any) -> Case:
    """A text in a declared encoding, beside a plain one."""
    delimiter = str(dialect.get("delimiter", ","))
    content = f"id,text,label\n1,{text},yes\n2,b,no\n".replace(",", delimiter).encode(encoding)
    return delimited(
        f"{encoding}: {name}", content, (1, text, "yes"), ROW_B, dialect=Dialect(encoding=encoding, **dialect)
    )


def _texts(*texts: str) -> list[Case]:
    return [
        case
        for text in texts
        for case in both(f"the text {text!r}", f"id¦text¦label\n1¦{text}¦yes\n2¦b¦no\n", (1, text, "yes"), ROW_B)
    ]


CASES: list[Case] = [
    *both("a BOM", b"\xef\xbb\xbf" + HEAD + A + B, ROW_A, ROW_B),
    *both("a BOM before a quoted name", b"\xef\xbb\xbf" + '"id"¦text¦label\n'.encode() + A + B, ROW_A, ROW_B),
    *both("two BOMs", b"\xef\xbb\xbf" * 2 + HEAD + A + B, refused=Refused("columns")),
    *both("a BOM before a row", HEAD + b"\xef\xbb\xbf" + A + B, ROW_B, bad=(Bad(2, "id"),)),
    *both(
        "a BOM in a text", HEAD + "1¦".encode() + b"\xef\xbb\xbfa" + "¦yes\n".encode() + B, (1, "\ufeffa", "yes"), ROW_B
    ),
    *both("a BOM and nothing else", b"\xef\xbb\xbf", refused=Refused("no row")),
    *_texts(
        "größe",
        "中文",
        "😀",
        "e\u0301",
        "\u202eabc\u202c",
        "\ue000",
        "\uffff",
        "\U0010ffff",
        "ﬁ",
        "\u200b",
        "ａ，ｂ",
        "a‚b",
        "𝟙",
    ),
    *_bad_bytes("Latin-1", b"\xe9"),
    *_bad_bytes("Latin-1 before the separator", b" caf\xe9"),
    *_bad_bytes("an overlong slash", b"\xc0\xaf"),
    *_bad_bytes("an overlong NUL", b"\xc0\x80"),
    *_bad_bytes("surrogates in UTF-8", b"\xed\xa0\xbd\xed\xb8\x80"),
    *_bad_bytes("beyond Unicode", b"\xf4\x90\x80\x80"),
    *_bad_bytes("half a character", b"\xe4\xb8"),
    *_bad_bytes("a lone continuation", b"\x80"),
    *_bad_bytes("a byte that no text has", b"\xff"),
    *both(
        "Latin-1 in a quoted record of two lines",
        HEAD + A + '7¦"x\n'.encode() + b"\xe9" + '"¦yes\n'.encode() + B,
        ROW_A,
        ROW_B,
        bad=(Bad(3, says="UTF-8"),),
    ),
    *both(
        "Latin-1 in a number", HEAD + A + b"7\xe9" + "¦c¦yes\n".encode() + B, ROW_A, ROW_B, bad=(Bad(3, says="UTF-8"),)
    ),
    *both(
        "Latin-1 in a label", HEAD + A + "7¦c¦yes".encode() + b"\xe9\n" + B, ROW_A, ROW_B, bad=(Bad(3, says="UTF-8"),)
    ),
    *both(
        "Latin-1 in the first row",
        HEAD + "1¦caf".encode() + b"\xe9" + "¦yes\n".encode() + B,
        ROW_B,
        bad=(Bad(2, says="UTF-8"),),
    ),
    *both(
        "Latin-1 in the last row",
        HEAD + A + "2¦caf".encode() + b"\xe9" + "¦yes".encode(),
        ROW_A,
        bad=(Bad(3, says="UTF-8"),),
    ),
    *both(
        "Latin-1 in the header",
        "id¦gr".encode() + b"\xf6\xdfe" + "¦label\n".encode() + A + B,
        refused=Refused("UTF-8", r"line 1\b", "encoding|iconv"),
    ),
    *both(
        "UTF-16 that is not declared",
        codecs.BOM_UTF16_LE + "id¦text¦label\n1¦a¦yes\n".replace("¦", ",").encode("utf-16-le"),
        refused=Refused("UTF-16"),
    ),
    *both(
        "UTF-16 with a BOM of the other order",
        codecs.BOM_UTF16_BE + "id,text,label\n1,a,yes\n".encode("utf-16-be"),
        refused=Refused("UTF-16"),
    ),
    *both("UTF-16 without a BOM", "id,text,label\n1,a,yes\n".encode("utf-16-le"), refused=Refused("")),
    # declared
    _declared("letters", "latin-1", "größe"),
    _declared("a next line sign", "latin-1", "a\x85b"),
    _declared("letters", "cp1252", "„größe“ – 5 €"),
    _declared("letters", "iso8859-15", "5 €"),
    _declared("letters", "cp437", "größe"),
    _declared("letters", "koi8-r", "привет"),
    _declared("a byte order mark", "utf-16", "größe 😀"),
    _declared("its own byte order", "utf-16-le", "größe 😀"),
    _declared("the other byte order", "utf-16-be", "größe 😀"),
    _declared("a byte order mark", "utf-32", "größe 😀"),
    _declared("a byte order mark", "utf-8-sig", "größe 😀"),
    _declared("a character with the bytes of line ends", "utf-16-le", "\u0a0a\u0d0a\u0a0d"),
    _declared("a character with the bytes of commas and quotes", "utf-16-le", "\u2c2c\u2222\u222c"),
    _declared("a character with a byte like the separator", "shift_jis", "ポート", delimiter="|"),
    _declared("a character with a byte like a backslash", "shift_jis", "ソース", escape="\\"),
    _declared("a character with a byte like the separator", "gb18030", "緗", delimiter="|"),
    _declared("a character with a byte like the separator", "big5", "育", delimiter="|"),
    _declared("letters", "euc-jp", "日本"),
    delimited(
        "cp1252: a byte that it does not have",
        "id,text,label\n1,a,yes\n7,s3cret\x81,yes\n2,b,no\n".encode("latin-1"),
        ROW_A,
        ROW_B,
        dialect=Dialect(encoding="cp1252"),
        bad=(Bad(3, says="cp1252"),),
    ),
    delimited(
        "ascii: a letter that it does not have",
        "id,text,label\n1,a,yes\n7,é,yes\n2,b,no\n",
        ROW_A,
        ROW_B,
        dialect=Dialect(encoding="ascii"),
        bad=(Bad(3, says="ascii"),),
    ),
    delimited(
        "latin-1: quoted separators and line ends",
        'id,text,label\n1,"ä,""ö""\nü",yes\n2,b,no\n'.encode("latin-1"),
        (1, 'ä,"ö"\nü', "yes"),
        ROW_B,
        dialect=Dialect(encoding="latin-1"),
    ),
    delimited(
        "utf-16: CRLF and a row too short",
        "id,text,label\r\n1,a,yes\r\n7\r\n2,b,no\r\n".encode("utf-16"),
        ROW_A,
        ROW_B,
        dialect=Dialect(encoding="utf-16"),
        bad=(Bad(3, says="field"),),
    ),
    delimited(
        "utf-16: half a character at the end",
        "id,text,label\n1,a,yes\n2,b,no\n".encode("utf-16")[:-1],
        ROW_A,
        dialect=Dialect(encoding="utf-16"),
        bad=(Bad(3, says="utf-16"),),
    ),
    delimited(
        "latin-1: Arabic digits do not exist, but a superscript does",
        "id,text,label\n²,a,yes\n2,b,no\n".encode("latin-1"),
        ROW_B,
        dialect=Dialect(encoding="latin-1"),
        bad=(Bad(2, "id"),),
    ),
    delimited(
        "cp1252: bytes that it does not have, and that are UTF-8 together",
        b"id,text,label\n1,a,yes\n7,s3cret\xc2\x81,yes\n7,s3cret\xe2\x81\x8d,yes\n2,b,no\n",
        ROW_A,
        ROW_B,
        dialect=Dialect(encoding="cp1252"),
        bad=(Bad(3, says="cp1252"), Bad(4, says="cp1252")),
    ),
    delimited(
        "iso8859-6: bytes that it does not have, and that are UTF-8 together",
        b"id,text,label\n1,a,yes\n7,s3cret\xdb\xa1,yes\n2,b,no\n",
        ROW_A,
        ROW_B,
        dialect=Dialect(encoding="iso8859-6"),
        bad=(Bad(3, says="iso8859-6"),),
    ),
]
