"""Each mistake in a workload's file is named on its line, with what is wrong, the rule and the remedy."""

from collections.abc import Callable
from pathlib import Path

import pytest

from millrace.cli.check.files import Checked, check

Edit = tuple[str, str]

# edits of the sound file; what stands on the line that is named; words of the mistake and of its remedy
BROKEN: dict[str, tuple[list[Edit], str, list[str]]] = {
    "misspelt keyword": (
        [('format="csv"', 'formt="csv"')],
        "formt=",
        ["Source has no 'formt'", "did you mean format?"],
    ),
    "unknown keyword": ([('team="orders"', 'team="orders", cheese=1')], "cheese", ["'cheese'", "leave it out"]),
    "unknown format": ([('format="csv"', 'format="cvs"')], "format=", ["'cvs'", "'parquet'", "did you mean csv?"]),
    "unknown type": ([('"city", type="string"', '"city", type="str"')], '"city"', ["'str'", "did you mean string?"]),
    "misspelt type": ([('"amount", type="float64"', '"amount", type="flaot64"')], '"amount"', ["float64?"]),
    "decimal without digits": ([('decimal(10,2)"', 'decimal(2,10)"')], '"price"', ["decimal"]),
    "real world's name": (
        [('name="city"', 'name="Home City"')],
        '"Home City"',
        ["'Home City'", 'name="home_city", source_name="Home City"'],
    ),
    "column twice": ([('name="city"', 'name="amount"')], 'name="amount", type="string"', ["'amount' occurs twice"]),
    "column twice but for case": ([('name="city"', 'name="Amount"')], '"Amount"', ["differ by case alone"]),
    "Millrace's own column": ([('name="city"', 'name="split_"')], '"split_"', ["is Millrace's own", "source_name"]),
    "two columns of one": (
        [('name="city"', 'name="city", source_name="part"')],
        '(name="part"',
        ["two are read from the arrivals' column 'part'"],
    ),
    "undeclared feature": ([('"amount", "price"),', '"amuont", "price"),')], "amuont", ["did you mean amount?"]),
    "undeclared unique_by": ([('unique_by=("id",)', 'unique_by=("ident",)')], "unique_by", ["'ident'", "id"]),
    "undeclared key": ([('Split(key="id")', 'Split(key="number")')], "Split(", ["'number'", "not declared"]),
    "undeclared target": ([('column="again"', 'column="agian"')], 'column="agian"', ["did you mean again?"]),
    "leak": ([('"amount", "price"),', '"amount", "again"),')], "features=", ["'again' is among the features"]),
    "split's column as a feature": (
        [('Split(key="id")', 'Split(key="id", column="part")'), ('"amount", "price"),', '"amount", "part"),')],
        "features=",
        ["'part' is among the features"],
    ),
    "feature twice": ([('"amount", "price"),', '"amount", "amount"),')], "features=", ["occurs twice"]),
    "feature that the trainer cannot take": (
        [('"amount", "price"),', '"amount", "city"),')],
        "features=",
        ["'city', which is string", "mlp_classifier", "numbers", "choose another trainer"],
    ),
    "text trainer with numbers": (
        [
            ('trainer="mlp_classifier"', 'trainer="bert_text_classifier", base_model="m", max_length=64'),
            ('options={"hidden": "32"},', ""),
            ('"amount", "price"),', '"amount", "city"),'),
        ],
        "features=",
        ["'amount', which is float64", "string"],
    ),
    "text trainer without weights": (
        [
            ('trainer="mlp_classifier"', 'trainer="bert_text_classifier", max_length=64'),
            ('options={"hidden": "32"},', ""),
            ('"amount", "price"),', '"city",),'),
        ],
        "training=",
        ["lacks a base_model", "base-model add"],
    ),
    "text trainer without a length": (
        [
            ('trainer="mlp_classifier"', 'trainer="bert_text_classifier", base_model="m"'),
            ('options={"hidden": "32"},', ""),
            ('"amount", "price"),', '"city",),'),
        ],
        "training=",
        ["lacks a max_length", "128"],
    ),
    "nullable feature": (
        [('"amount", type="float64"', '"amount", type="float64", nullable=True')],
        '"amount", type',
        ["the feature 'amount' is nullable", "leave it out of features"],
    ),
    "nullable key": (
        [('"id", type="int64"', '"id", type="int64", nullable=True')],
        '"id", type',
        ["key 'id' is nullable"],
    ),
    "nullable target": (
        [('"again", type="string"', '"again", type="string", nullable=True')],
        '"again", type',
        ["'again' is nullable"],
    ),
    "target of a number": (
        [('"again", type="string", max_length=3', '"again", type="float64"')],
        'column="again"',
        ["which has no single label", "bool"],
    ),
    "set of labels in a text": (
        [('kind="single_label"', 'kind="multi_label"')],
        'column="again"',
        ["holds no set of labels", "list<string>"],
    ),
    "unknown kind": ([('kind="single_label"', 'kind="single"')], 'kind="single"', ["did you mean single_label?"]),
    "label of a truth value": (
        [('"again", type="string", max_length=3', '"again", type="bool"'), ('("no", "yes")', '("no", "true")')],
        "labels=",
        ["'no' can never occur", "true"],
    ),
    "label of an integer": (
        [('"again", type="string", max_length=3', '"again", type="int8"'), ('("no", "yes")', '("1", "300")')],
        "labels=",
        ["'300' can never occur", "127"],
    ),
    "label too long": ([('("no", "yes")', '("no", "never")')], "labels=", ["'never' can never occur", "3 characters"]),
    "label that reads as null": ([('("no", "yes")', '("NA", "yes")')], "labels=", ["'NA'", "null_words"]),
    "label twice": ([('("no", "yes")', '("no", "no")')], "labels=", ["'no' occurs twice"]),
    "one label": ([('("no", "yes")', '("no",)')], "labels=", ["at least 2"]),
    "optional label that is none": (
        [('("no", "yes")', '("no", "yes"), optional_labels=("maybe",)')],
        "optional_labels",
        ["'maybe' is not among"],
    ),
    "split's column of a wrong type": ([('Split(key="id")', 'Split(key="id", column="id")')], "Split(", ["is int64"]),
    "parentheses that make no tuple": ([('unique_by=("id",)', 'unique_by=("id")')], "unique_by", ['("id",)', "comma"]),
    "deduplicate without unique_by": (
        [('unique_by=("id",)', 'deduplicate="dataset"')],
        "deduplicate",
        ["needs unique_by"],
    ),
    "no day has so many rows": ([("max_rows=1000", "max_rows=9")], "max_rows", ["between 10 and 9"]),
    "bounds of a text": ([('"city", type="string"', '"city", type="string", minimum=0')], '"city"', ["leave minimum"]),
    "bounds the wrong way round": (
        [('"id", type="int64", minimum=0', '"id", type="int64", minimum=9, maximum=1')],
        '"id", type',
        ["9 and 1"],
    ),
    "misspelt option": ([('"hidden": "32"', '"hiden": "32"')], "options=", ["'hiden'", "did you mean hidden?"]),
    "ill-typed option": ([('"hidden": "32"', '"hidden": 32')], "options=", ["hidden is 32", "a text"]),
    "option out of bounds": ([('"hidden": "32"', '"dropout": 1.5')], "options=", ["dropout is 1.5", "less than 1"]),
    "option that is no list": ([('"hidden": "32"', '"hidden": "32;16"')], "options=", ["'32;16'", "64,32"]),
    "unknown trainer": ([('"mlp_classifier"', '"mlp"')], "trainer=", ["unknown trainer 'mlp'", "mlp_classifier"]),
    "misspelt trainer": ([('"mlp_classifier"', '"mlp_clasifier"')], "trainer=", ["did you mean mlp_classifier?"]),
    "too many epochs": ([("epochs=5", "epochs=500")], "epochs=", ["epochs is 500", "at most 100"]),
    "epochs of a word": ([("epochs=5", 'epochs="five"')], "epochs=", ["'five'", "whole number"]),
    "start of another type": ([("date(2026, 1, 1)", '"tomorrow"')], "start=", ["'tomorrow'", "date(2026, 1, 31)"]),
    "no such date": ([("date(2026, 1, 1)", "date(2026, 2, 30)")], "start=", ["ValueError", "day"]),
    "owner that is no name": (
        [('owner="ml-platform"', 'owner="ML Platform"')],
        "owner=",
        ["ML Platform", "ml_platform"],
    ),
    "floor beyond one": ([("quality_floor=0.5", "quality_floor=50")], "quality_floor", ["at most 1"]),
    "misspelt metric": (
        [("quality_floor=0.5", 'quality_floor=0.5, metric="f1"')],
        "quality_floor",
        ["micro_f1", "metric is 'f1'"],
    ),
    "gate left out": ([("gate=GatePolicy(quality_floor=0.5),", "")], "Workload(\n", ["lacks 'gate'", "add gate="]),
    "template without a day": ([("{partition}.csv", "today.csv")], "uri_template", ["names no day", "{partition}"]),
    "delimiter of two signs": (
        [('null_words=("", "NA")', 'delimiter="||"')],
        "delimiter",
        ["delimiter is '||'", "at most 1"],
    ),
    "dialect of Parquet": ([('format="csv"', 'format="parquet"')], "dialect=", ["parquet has none"]),
    "name of another file": ([('name="orders"', 'name="other"')], 'name="other"', ["orders.py", 'name="orders"']),
    "values without names": (
        [('Column(name="city", type="string")', 'Column("city", "string")')],
        'Column("city"',
        ["without names"],
    ),
    "name that is not imported": ([("Expectations, Marker", "Marker")], "expectations=", ["import Expectations"]),
    "misspelt import": (
        [("import Column, Dataset", "import Colum, Dataset")],
        "import Colum",
        ["has no Colum", "did you mean Column?"],
    ),
    "misspelt function": ([("import build_dag", "import builddag")], "builddag", ["has no builddag", "build_dag?"]),
    "misspelt module": ([("millrace.contracts.data", "millrace.contract.data")], "contract.", ["no module"]),
    "module that is not there": (
        [("from datetime import date", "import pandsa\nfrom datetime import date")],
        "pandsa",
        ["pandsa"],
    ),
    "no build_dag": (
        [("dag = build_dag(\n    Workload(", "dag = (\n    Workload(")],
        "    Workload(\n",
        ["no DAG", "build_dag(Work"],
    ),
    "Airflow skips it": ([("Airflow DAG `orders`: w", "W")], "Who will", ["skip this file", "airflow"]),
    "syntax": (
        [
            ('format="csv",', 'format="csv'),
        ],
        'format="csv',
        ["no Python"],
    ),
    "a list of lists in CSV": ([('"list<string>"', '"list<list<int64>>"')], '"tags"', ["csv cannot hold"]),
    "misspelt argument of build_dag": (
        [
            (
                "gate=GatePolicy(quality_floor=0.5),\n    )\n",
                "gate=GatePolicy(quality_floor=0.5),\n    ),\n    notifers=[],\n",
            )
        ],
        "dag = build_dag(",
        ["build_dag has no 'notifers'", "did you mean notifiers?"],
    ),
    "a set, which has no order": ([('("no", "yes")', '{"no", "yes"}')], "labels=", ["order", '("a", "b")']),
    "a number among labels": ([('("no", "yes")', '("no", 1)')], "labels=", ["labels[1] is 1", "a text"]),
    "a list for an option": ([('{"hidden": "32"}', '{"hidden": [32]}')], "options=", ["[32]"]),
    "a start with a time": (
        [("import date, t", "import date, datetime, t"), ("date(2026, 1, 1)", "datetime(2026, 1, 1, 5)")],
        "start=",
        ["datetime", "date(2026, 1, 31)"],
    ),
    "a number for a gate": ([("GatePolicy(quality_floor=0.5)", "0.5")], "gate=", ["gate is 0.5", "GatePolicy(…)"]),
    "a description of nothing": ([('description="Who will order again."', 'description=""')], "description", ["1"]),
    "a program's end": ([("dag = build_dag(", "exit('no')\ndag = build_dag(")], "exit(", ["SystemExit: no"]),
    "a file that is not there": ([("COLUMNS = (", "open('labels.txt')\nCOLUMNS = (")], "open(", ["labels.txt"]),
    "encoding": ([('null_words=("", "NA")', 'encoding="utf8-8"')], "encoding", ["utf8-8", "latin-1"]),
    "decimal comma in a comma's file": (
        [('null_words=("", "NA")', 'decimal_mark=","')],
        "decimal_mark",
        ["is the delimiter", "';'"],
    ),
    "schedule that is no cron": (
        [('team="orders",', 'team="orders", schedule="dayly",')],
        "schedule=",
        ["cron", "@daily"],
    ),
    "schedule of build_dag": (
        [("quality_floor=0.5),\n    )\n", "quality_floor=0.5),\n    ),\n    schedule='every day',\n")],
        "    Workload(\n",
        ["'every day' is no cron"],
    ),
    "retries": ([('team="orders",', 'team="orders", retries=99,')], "retries", ["retries is 99", "at most 10"]),
    "canary": (
        [("gate=", "serving=ServingPolicy(canary_steps=(10, 500)), gate=")],
        "serving=",
        ["is 500", "at most 100"],
    ),
}


def test_a_sound_workload_has_no_mistake(write: Callable[..., Path]) -> None:
    file = write()
    assert check([file]) == Checked([], {file: ["orders"]}, [])


@pytest.mark.parametrize("case", BROKEN)
def test_a_mistake_is_named_on_its_line_with_its_remedy(write: Callable[..., Path], case: str) -> None:
    edits, on_its_line, words = BROKEN[case]
    file = write(*edits)
    text = file.read_text()
    line = text[: text.index(on_its_line)].count("\n") + 1
    found = check([file]).findings
    assert len(found) == 1, "\n".join(map(str, found))
    assert (found[0].file, found[0].line) == (file, line), found[0]
    for word in words:
        assert word in str(found[0]), found[0]
    assert found[0].rule
    assert found[0].remedy
    assert "pydantic" not in str(found[0])
