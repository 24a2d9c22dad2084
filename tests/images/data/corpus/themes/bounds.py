"""Rules of columns: exact bounds beyond 2**53 (pandas 52827, arrow 34901), lengths, labels."""

from decimal import Decimal
from typing import Any

import pyarrow as pa

from millrace.contracts.data import Column
from tests.images.data.corpus.case import COLUMNS, ID, LABEL, Bad, Case, Refused, both, lines, parquet

BIG = 2**53


def _cases(name: str, kind: str, values: list[object], says: str = "", row: int = 0, **rules: Any) -> list[Case]:
    """One column's values in every format; ``row`` is the one that breaks a rule, which refuses the file."""
    columns = (ID, Column(name="value", type=kind, **rules), LABEL)
    rows = tuple((number, value, "yes") for number, value in enumerate(values, 1))
    refused = Refused(says, rf"(row {row}|line \d+)\b.*'value'") if says else None
    kept = () if says else rows
    text = "id¦value¦label\n" + "".join(f"{number}¦{value}¦yes\n" for number, value, _ in rows)
    objects = "".join(f'{{"id":{number},"value":{_json(value)},"label":"yes"}}\n' for number, value, _ in rows)
    arrays = {"id": [r[0] for r in rows], "value": pa.array(values, _ARROW[kind]), "label": ["yes"] * len(rows)}
    return [
        *both(name, text, *kept, columns=columns, refused=refused),
        lines(name, objects, *kept, columns=columns, refused=refused),
        parquet(name, pa.table(arrays), *kept, columns=columns, refused=refused),
    ]


_ARROW = {
    "int64": pa.int64(),
    "uint64": pa.uint64(),
    "float64": pa.float64(),
    "string": pa.string(),
    "decimal(20,2)": pa.decimal128(20, 2),
}


def _json(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)


SMALL, LARGE = "small|least|minimum", "large|most|maximum"
CASES: list[Case] = [
    *_cases("an id of 19 digits and a bound of 0", "int64", [BIG + 1, 2**63 - 1, 0], minimum=0),
    *_cases("an id of 19 digits and a bound of its own", "int64", [BIG + 1, 2**63 - 1], minimum=0, maximum=2**63 - 1),
    *_cases("one more than a bound beyond 2**53", "int64", [BIG, BIG + 1, BIG + 2], LARGE, 3, maximum=BIG + 1),
    *_cases("as much as a bound beyond 2**53", "int64", [BIG + 1], maximum=BIG + 1),
    *_cases("one less than a bound beyond 2**53", "int64", [BIG + 2, BIG + 1], SMALL, 2, minimum=BIG + 2),
    *_cases("one more than a negative bound", "int64", [-BIG - 1, -BIG], LARGE, 2, maximum=-BIG - 1),
    *_cases("the smallest integer", "int64", [-(2**63)], minimum=-(2**63)),
    *_cases("below the smallest but one", "int64", [-(2**63) + 1, -(2**63)], SMALL, 2, minimum=-(2**63) + 1),
    *_cases("integers and a bound with a fraction", "int64", [1, BIG + 1], minimum=0.5),
    *_cases("an integer below a bound with a fraction", "int64", [1, 0], SMALL, 2, minimum=0.5),
    *_cases("integers and a bound of 1e18", "int64", [10**18], maximum=1e18),
    *_cases("integers above a bound of 1e18", "int64", [10**18, 10**18 + 1], LARGE, 2, maximum=1e18),
    *_cases("integers and a bound beyond their type", "int64", [2**63 - 1], maximum=1e30),
    *_cases("integers below a bound beyond their type", "int64", [2**63 - 1], SMALL, 1, minimum=2**63),
    *_cases("unsigned integers at their edge", "uint64", [2**64 - 1, 0], maximum=2**64 - 1),
    *_cases("unsigned integers above a bound", "uint64", [2**64 - 2, 2**64 - 1], LARGE, 2, maximum=2**64 - 2),
    *_cases("unsigned integers and a negative bound", "uint64", [0, 2**64 - 1], minimum=-1),
    *_cases("floats and a bound", "float64", [0.0, 10.0], minimum=0, maximum=10),
    *_cases("a float just above a bound", "float64", [10.000000000000002], LARGE, 1, maximum=10),
    *_cases("a float and a bound that no float has", "float64", [float(BIG + 2)], LARGE, 1, maximum=BIG + 1),
    *_cases("a float below a bound that no float has", "float64", [float(BIG)], maximum=BIG + 1),
    *_cases("a negative zero and a bound of 0", "float64", [-0.0], minimum=0),
    *_cases(
        "decimals and a bound",
        "decimal(20,2)",
        [Decimal("0.10"), Decimal("900719925474099.33")],
        minimum=0,
        maximum=10**15,
    ),
    *_cases("a decimal above a bound", "decimal(20,2)", [Decimal("10.01")], LARGE, 1, maximum=10),
    *_cases("lengths in characters, not bytes", "string", ["ab", "äö", "😀😀"], min_length=2, max_length=2),
    *_cases("a text too long", "string", ["ab", "abc"], r"\bcharacters", 2, max_length=2),
    *_cases("a text too short", "string", ["ab", "a"], "short", 2, min_length=2),
    *_cases("an empty text and a least length", "string", ["a", ""], "short", 2, min_length=1),
    *(
        case
        for label in ("maybe", "YES", "yes ", " yes", "ｙes", "1")
        for case in both(
            f"the label {label!r}", f"id¦text¦label\n1¦a¦yes\n2¦b¦{label}\n", refused=Refused("label", "'label'")
        )
    ),
    lines(
        "an unknown label",
        '{"id":1,"text":"a","label":"yes"}\n{"id":2,"text":"b","label":"maybe"}\n',
        refused=Refused("label", "'label'"),
    ),
    lines("an empty label", '{"id":1,"text":"a","label":""}\n', refused=Refused("label", "'label'")),
    *both(
        "a bad row before a broken rule",
        "id¦text¦label\nx¦a¦yes\n2¦b¦maybe\n",
        refused=Refused("", "(line 2|'label')"),
        columns=COLUMNS,
    ),
    *both(
        "a label and a bad row behind it",
        "id¦text¦label\n1¦a¦yes\nx¦a¦maybe\n2¦b¦no\n",
        (1, "a", "yes"),
        (2, "b", "no"),
        bad=(Bad(3, "id"),),
    ),
]
