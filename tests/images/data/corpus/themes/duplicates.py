"""Which rows are the same one: nulls are not, unless the workload says so (datacompy 35)."""

from decimal import Decimal

import pyarrow as pa

from millrace.contracts.data import Column
from tests.images.data.corpus.case import LABEL, Bad, Case, Refused, both, lines, parquet

ID = Column(name="id", type="int64")


def _json(value: object) -> str:
    if value is None:
        return "null"
    return f'"{value}"' if isinstance(value, str) else str(value)


def _numbers(
    name: str, kind: str, arrow: pa.DataType, values: list[object], kept: list[int], **dataset: object
) -> list[Case]:
    """A column in every format that can hold it; ``kept`` are the rows that stay, by their ids."""
    columns = (ID, Column(name="value", type=kind, nullable=True), LABEL)
    rows = [(number, value, "yes") for number, value in enumerate(values)]
    fields: dict[str, object] = {
        "columns": columns,
        "dataset": {"unique_by": ("value",)} | dataset,
        "duplicates": len(rows) - len(kept),
    }
    expected = tuple(row for row in rows if row[0] in kept)
    objects = "".join(f'{{"id":{number},"value":{_json(value)},"label":"yes"}}\n' for number, value, _ in rows)
    table = pa.table({"id": [row[0] for row in rows], "value": pa.array(values, arrow), "label": ["yes"] * len(rows)})
    cases = [lines(name, objects, *expected, **fields), parquet(name, table, *expected, **fields)]
    if kind != "string" or None not in values:
        text = "id¦value¦label\n" + "".join(
            f"{number}¦{'' if value is None else value}¦yes\n" for number, value, _ in rows
        )
        cases += both(name, text, *expected, **fields)
    return cases


PAIR = {"unique_by": ("a", "b")}
PAIRS = (ID, Column(name="a", type="string", nullable=True), Column(name="b", type="string", nullable=True), LABEL)
LISTS = (ID, Column(name="value", type="list<string>", nullable=True), LABEL)

CASES: list[Case] = [
    *_numbers("nulls are not equal", "int64", pa.int64(), [None, 1, None, 1, None], [0, 1, 2, 4]),
    *_numbers(
        "nulls are equal where it is said", "int64", pa.int64(), [None, 1, None, 1, None], [0, 1], nulls_equal=True
    ),
    *_numbers("nulls of texts are not equal", "string", pa.string(), [None, "a", None, "a"], [0, 1, 2]),
    *_numbers(
        "nulls of texts are equal where it is said",
        "string",
        pa.string(),
        [None, "a", None, ""],
        [0, 1, 3],
        nulls_equal=True,
    ),
    *_numbers("nulls of floats are not equal", "float64", pa.float64(), [None, 0.0, None, 0.5], [0, 1, 2, 3]),
    *_numbers("nothing but nulls", "int64", pa.int64(), [None, None, None], [0, 1, 2]),
    *_numbers("a null is no zero", "int64", pa.int64(), [None, 0, 0], [0, 1], nulls_equal=True),
    *_numbers("a null is no -1", "int64", pa.int64(), [None, -1, -1], [0, 1], nulls_equal=True),
    *_numbers("integers beyond 2**53", "int64", pa.int64(), [2**53, 2**53 + 1, 2**53, None], [0, 1, 3]),
    *_numbers("the edges of int64", "int64", pa.int64(), [2**63 - 1, -(2**63), 2**63 - 1], [0, 1]),
    *_numbers("the edges of uint64", "uint64", pa.uint64(), [2**64 - 1, 2**63, 0, 2**64 - 1], [0, 1, 2]),
    *_numbers("zeros", "float64", pa.float64(), [0.0, -0.0, 1.0], [0, 2]),
    *_numbers("floats that differ in their last bit", "float64", pa.float64(), [0.1, 0.10000000000000002, 0.1], [0, 1]),
    *_numbers(
        "decimals",
        "decimal(5,2)",
        pa.decimal128(5, 2),
        [Decimal("1.00"), Decimal("1.01"), Decimal("1.00"), None, None],
        [0, 1, 3, 4],
    ),
    *_numbers(
        "texts that differ in case and form", "string", pa.string(), ["é", "e\u0301", "É", "é ", "é"], [0, 1, 2, 3]
    ),
    *_numbers("texts that differ in a NUL", "string", pa.string(), ["a", "b", "a"], [0, 1]),
    lines(
        "a pair that is joined otherwise",
        "".join(
            f'{{"id":{n},"a":"{a}","b":"{b}","label":"yes"}}\n'
            for n, (a, b) in enumerate((("x", "yz"), ("xy", "z"), ("xyz", ""), ("", "xyz"), ("x", "yz")))
        ),
        (0, "x", "yz", "yes"),
        (1, "xy", "z", "yes"),
        (2, "xyz", "", "yes"),
        (3, "", "xyz", "yes"),
        columns=PAIRS,
        dataset=PAIR | {"features": ("a",)},
        duplicates=1,
    ),
    lines(
        "a pair with a null in one",
        "".join(f'{{"id":{n},"a":"x","b":{b},"label":"yes"}}\n' for n, b in enumerate(("null", '"y"', "null", '"y"'))),
        (0, "x", None, "yes"),
        (1, "x", "y", "yes"),
        (2, "x", None, "yes"),
        columns=PAIRS,
        dataset=PAIR | {"features": ("a",)},
        duplicates=1,
    ),
    lines(
        "a pair with a null on either side",
        '{"id":0,"a":"x","b":null,"label":"yes"}\n{"id":1,"a":null,"b":"x","label":"yes"}\n{"id":2,"a":"x","b":null,"label":"yes"}\n',
        (0, "x", None, "yes"),
        (1, None, "x", "yes"),
        columns=PAIRS,
        dataset=PAIR | {"features": ("a",), "nulls_equal": True},
        duplicates=1,
    ),
    lines(
        "lists that are cut otherwise",
        "".join(
            f'{{"id":{n},"value":{value},"label":"yes"}}\n'
            for n, value in enumerate(('["a","b"]', '["ab"]', '["a|b"]', "[]", '[""]', "null", '["a","b"]', "[]"))
        ),
        (0, ["a", "b"], "yes"),
        (1, ["ab"], "yes"),
        (2, ["a|b"], "yes"),
        (3, [], "yes"),
        (4, [""], "yes"),
        (5, None, "yes"),
        columns=LISTS,
        dataset={"unique_by": ("value",)},
        duplicates=2,
    ),
    *both(
        "the first one stays, bad rows apart",
        "id¦text¦label\n1¦a¦yes\nx¦a¦yes\n2¦a¦no\n3¦b¦no\n",
        (1, "a", "yes"),
        (3, "b", "no"),
        dataset={"unique_by": ("text",)},
        duplicates=1,
        bad=(Bad(3, "id"),),
    ),
    *both(
        "all rows are one",
        "id¦text¦label\n1¦a¦yes\n2¦a¦yes\n3¦a¦yes\n",
        dataset={"unique_by": ("text",)},
        refused=Refused("duplicates"),
    ),
    *both("one row alone", "id¦text¦label\n1¦a¦yes\n", (1, "a", "yes"), dataset={"unique_by": ("text",)}),
]
