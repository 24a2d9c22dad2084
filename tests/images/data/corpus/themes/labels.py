"""Targets of every kind: numbers, truth values and sets of labels; splits that the source deals; keys."""

import pyarrow as pa

from millrace.contracts.data import Column, Split, Target
from tests.images.data.corpus.case import ID, LABEL, TEXT, Bad, Case, Refused, both, lines, parquet


def _target(
    name: str, column: Column, labels: tuple[str, ...], texts: list[str], values: list[object], **fields: object
) -> list[Case]:
    """A target of that column's type, in every format."""
    columns = (ID, TEXT, column)
    many = column.type.startswith("list")
    dataset = {"target": Target(column="label", kind="multi_label" if many else "single_label", labels=labels)}
    rows = tuple((number, "a", value) for number, value in enumerate(values))
    kept = () if "refused" in fields else rows
    text = "id¦text¦label\n" + "".join(f"{number}¦a¦{each}\n" for number, each in enumerate(texts))
    objects = "".join(f'{{"id":{number},"text":"a","label":{_json(value)}}}\n' for number, _, value in rows)
    table = pa.table({"id": [row[0] for row in rows], "text": ["a"] * len(rows), "label": values})
    options = {"columns": columns, "dataset": dataset, **fields}
    return [
        *both(name, text, *kept, **options),
        lines(name, objects, *kept, **options),
        parquet(name, table, *kept, **options),
    ]


def _json(value: object) -> str:
    if isinstance(value, list):
        return "[" + ",".join(f'"{item}"' for item in value) + "]"
    return f'"{value}"' if isinstance(value, str) else str(value).lower()


def _label(kind: str) -> Column:
    return Column(name="label", type=kind)


SPLITS = (ID, TEXT, LABEL, Column(name="part", type="string"))
SPLIT = {"split": Split(key="id", column="part")}
KEYED = (Column(name="id", type="string", nullable=True), TEXT, LABEL)
UNKNOWN = Refused("label", "'label'")

CASES: list[Case] = [
    *_target("labels that are numbers", _label("int64"), ("0", "1"), ["0", "1"], [0, 1]),
    *_target("labels that are negative numbers", _label("int64"), ("-1", "1"), ["-1", "1"], [-1, 1]),
    *_target("a number that is no label", _label("int64"), ("0", "1"), ["0", "2"], [0, 2], refused=UNKNOWN),
    *_target("labels that are truth values", _label("bool"), ("true", "false"), ["true", "False"], [True, False]),
    *_target(
        "labels with spaces and commas",
        _label("string"),
        ("very good", "bad|ugly"),
        ["very good", "bad|ugly"],
        ["very good", "bad|ugly"],
    ),
    *_target(
        "labels that look like nothing", _label("string"), ("", "null", "NA"), ["", "null", "NA"], ["", "null", "NA"]
    ),
    *_target("labels of one letter in two cases", _label("string"), ("a", "A"), ["a", "A"], ["a", "A"]),
    *_target("sets of labels", _label("list<string>"), ("x", "y", "z"), ["x|y", "", "z"], [["x", "y"], [], ["z"]]),
    *_target(
        "a set with an unknown label",
        _label("list<string>"),
        ("x", "y"),
        ["x", "x|w"],
        [["x"], ["x", "w"]],
        refused=UNKNOWN,
    ),
    *_target(
        "a set with an empty label",
        _label("list<string>"),
        ("x", "y"),
        ["x", "x|"],
        [["x"], ["x", ""]],
        refused=UNKNOWN,
    ),
    *both(
        "a split that the source deals",
        "id¦text¦label¦part\n1¦a¦yes¦train\n2¦b¦no¦test\n",
        (1, "a", "yes", "train"),
        (2, "b", "no", "test"),
        columns=SPLITS,
        dataset=SPLIT,
    ),
    *both(
        "a split that is none",
        "id¦text¦label¦part\n1¦a¦yes¦train\n2¦b¦no¦Test\n",
        columns=SPLITS,
        dataset=SPLIT,
        refused=Refused("split", "'part'"),
    ),
    lines(
        "a null key of a nullable column",
        '{"id":null,"text":"a","label":"yes"}\n',
        columns=KEYED,
        refused=Refused("missing|null|complete", "'id'"),
    ),
    lines(
        "a null label of a nullable column",
        '{"id":1,"text":"a","label":null}\n',
        columns=(ID, TEXT, Column(name="label", type="string", nullable=True)),
        refused=Refused("missing|null|complete", "'label'"),
    ),
    lines(
        "a null in a set of labels",
        '{"id":1,"text":"a","label":["x",null]}\n{"id":2,"text":"b","label":["y"]}\n',
        (2, "b", ["y"]),
        columns=(ID, TEXT, _label("list<string>")),
        dataset={"target": Target(column="label", kind="multi_label", labels=("x", "y"))},
        bad=(Bad(1, "label"),),
    ),
    *both(
        "lengths of lists",
        "id¦text¦label\n1¦a|b¦yes\n2¦a|b|c¦no\n",
        columns=(ID, Column(name="text", type="list<string>", max_length=2), LABEL),
        refused=Refused("items", "'text'"),
    ),
    *both(
        "lengths of bytes",
        "id¦text¦label\n1¦AAA=¦yes\n2¦AAAA¦no\n",
        columns=(ID, Column(name="text", type="binary", max_length=2), LABEL),
        refused=Refused("bytes", "'text'"),
    ),
]
