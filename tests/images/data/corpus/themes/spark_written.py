"""CSV as Spark 4.1 writes it with its defaults and header=true, and as it reads that with multiLine=true.

test_spark_engine.py has Spark itself write and read such files; these are read where there is none.
"""

from tests.images.data.corpus.case import SPARK_DIALECT, Bad, Case, Refused, both, column

HEAD = "id¦text¦label\n"
OTHER = (9, "plain", "no")
# a text, and the field that Spark writes for it
WRITTEN = {
    "a¦b": '"a¦b"',
    'a"b': '"a\\"b"',
    '"a"': '"\\"a\\""',
    "a\\": "a\\",
    "a\\b": "a\\b",
    'a\\"b': '"a\\\\\\"b"',
    'a\\\\"b': '"a\\\\\\\\\\"b"',
    '\\"': '"\\\\\\""',
    "\\": "\\",
    "\\\\": "\\\\",
    "a\nb": '"a\nb"',
    "a\r\nb": '"a\r\nb"',
    "a\rb": '"a\rb"',
    "a\\\nb": '"a\\\\\nb"',
    "": '""',
    '"': '"\\""',
    "'": "'",
    "#a": "#a",
    "a\\¦b": '"a\\\\¦b"',
    "a¦\\": '"a¦\\\\"',
    '"\\': '"\\"\\\\"',
    'a "" b': '"a \\"\\" b"',
    'a"\n\\"b¦': '"a\\"\n\\\\\\"b¦"',
    "größe 😀": "größe 😀",
    "a\0b": "a\0b",
}
# fields that Spark does not write so, and how it reads them
READ = {
    '"a\\b"': "a\\b",
    '"a\\nb"': "a\\nb",
    '"a\\¦b"': "a\\¦b",
    '"a\\\nb"': "a\\\nb",
    'a"b': 'a"b',
    'a\\"b': 'a\\"b',
    ' "a"': ' "a"',
    "a\\\\b": "a\\\\b",
    '"size 5\\""': 'size 5"',
}


def _field(field: str, value: str, how: str) -> list[Case]:
    return [
        case.with_separator()
        for case in both(
            f"{how} as {field!r}",
            f"{HEAD}1¦{field}¦yes\n9¦plain¦no\n",
            (1, value, "yes"),
            OTHER,
            dialect=SPARK_DIALECT,
        )
    ]


CASES: list[Case] = [
    *(case for value, field in WRITTEN.items() for case in _field(field, value, "written")),
    *(case for field, value in READ.items() for case in _field(field, value, "read")),
    *both(
        "the four rows of cudf 11984",
        HEAD + '1¦"size 5\\""¦yes\n2¦"size 7\\""¦no\n3¦plain¦yes\n4¦plain¦no\n',
        (1, 'size 5"', "yes"),
        (2, 'size 7"', "no"),
        (3, "plain", "yes"),
        (4, "plain", "no"),
        dialect=SPARK_DIALECT,
    ),
    *both(
        "an escaped separator outside of quotes",
        HEAD + "1¦a\\¦b¦yes\n9¦plain¦no\n",
        OTHER,
        dialect=SPARK_DIALECT,
        bad=(Bad(2, says="field"),),
    ),
    *both(
        "an escape that keeps a quote open",
        HEAD + '1¦"a\\"¦yes\n9¦plain¦no\n',
        dialect=SPARK_DIALECT,
        refused=Refused("not closed|unclosed|open"),
    ),
    *both(
        "text behind a closing quote",
        HEAD + '1¦"a"b¦yes\n9¦plain¦no\n',
        dialect=SPARK_DIALECT,
        refused=Refused("quote"),
    ),
    *both(
        "missing numbers",
        "id¦value¦label\n1¦¦yes\n2¦7¦no\n",
        (1, None, "yes"),
        (2, 7, "no"),
        columns=column("int64", nullable=True),
        dialect=SPARK_DIALECT,
    ),
]
