"""Generate a workload's file from the first rows of a sample, with a comment at each guess."""

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path

from millrace.cli.scaffold.column_types import Guessed, GuessedColumn, guess_columns
from millrace.cli.scaffold.first_rows import FirstRows, read_first_rows
from millrace.cli.scaffold.roles import Roles, guess_roles, labels_of
from millrace.contracts.data import Dialect
from millrace.contracts.errors import BadInputError

_WIDTH = 120
_TRAINERS = {
    False: 'trainer="mlp_classifier", epochs=5, batch_size=64, learning_rate=1e-2',
    True: 'trainer="bert_text_classifier", base_model="minilm-l6", max_length=128, learning_rate=3e-4',
}


def workload_from(name: str, sample: Path, start: date) -> str:
    """Return the text of a workload's file. Raises BadInputError if the sample has no target or no feature column."""
    found = read_first_rows(sample)
    guessed = guess_columns(found)
    roles = guess_roles(guessed.columns, found.rows)
    if roles is None:
        raise BadInputError(
            "no column has labels to predict",
            where=f"{sample}, its first {found.rows:,} rows",
            rule="a column of texts, truth values or whole numbers, without gaps, with 2 to 50 different values",
            remedy="add such a column to the file, or leave FROM out and declare the workload by hand",
        )
    if not roles.features:
        raise BadInputError(
            "no column can be a feature",
            where=f"{sample}, its first {found.rows:,} rows",
            rule="numbers or texts beside the target and the key, without gaps",
            remedy="add such columns to the file, or leave FROM out and declare the workload by hand",
        )
    return "\n".join(_lines(name, sample.name, start, found, guessed, roles)) + "\n"


def _lines(name: str, sample: str, start: date, found: FirstRows, guessed: Guessed, roles: Roles) -> Iterator[str]:
    target = roles.targets[0].column
    imports = ["Column", "Dataset", "Source", "Split", "Target"]
    dialect = _dialect(found, guessed)
    if dialect:
        imports.insert(2, "Dialect")
    yield f'"""Airflow DAG `{name}`: say in a sentence what it predicts, from what, and for whom.'
    yield ""
    yield f"Guessed from the first {found.rows:,} rows of {_plain(sample)}: look at every comment."
    yield '"""'
    yield ""
    yield "from datetime import date"
    yield ""
    yield f"from millrace.contracts.data import {', '.join(imports)}"
    yield "from millrace.contracts.workload import GatePolicy, Training, Workload"
    yield "from millrace.pipeline import build_dag"
    yield ""
    yield "dag = build_dag("
    yield "    Workload("
    yield f'        name="{name}",'
    yield f'        description="Predicts {target.name}.",'
    yield '        owner="ml-platform",'
    yield f'        team="{name}",'
    yield f"        start=date({start:%Y, %-m, %-d}),"
    yield "        dataset=Dataset("
    yield from _source(name, found, dialect)
    yield "            columns=("
    for each in guessed.columns:
        yield from _column(each, roles)
    yield "            ),"
    for left, why in roles.left_out:
        yield f"            # {left} is no feature: {why}"
    if roles.text and not any(" " in str(value) for each in guessed.columns for value in each.distinct):
        yield from _comment("short texts are all that can be features here: numbers without gaps would serve better")
    yield f"            features={_tuple(roles.features)},"
    yield from _target(roles)
    yield from _key(roles, found)
    if found.left_out:
        yield from _comment(f"no workload can declare {'; '.join(map(_plain, found.left_out))}")
        yield '            extra_columns="drop",'
    yield "        ),"
    if roles.text:
        yield "        # `python -m millrace base-model add minilm-l6 FOLDER` brings the weights in, once"
    yield f"        training=Training({_TRAINERS[roles.text]}),"
    yield '        gate=GatePolicy(metric="macro_f1", quality_floor=0.5),  # set the floor to what is good enough'
    yield "    )"
    yield ")"


def _source(name: str, found: FirstRows, dialect: str) -> Iterator[str]:
    for remark in found.remarks:
        yield from _comment(_plain(remark))
    yield "            # one file a day; {arrivals} is MILLRACE_ARRIVALS_URI; .gz and .zst are read too"
    template = f"{{arrivals}}/{name}/{{partition}}.{found.format}"
    plain = f'            source=Source(uri_template="{template}", format="{found.format}"'
    if not dialect:
        yield f"{plain}),"
        return
    yield "            source=Source("
    yield f'                uri_template="{template}",'
    yield f'                format="{found.format}",'
    yield f"                dialect=Dialect({dialect}),"
    yield "            ),"


def _dialect(found: FirstRows, guessed: Guessed) -> str:
    given = found.dialect.model_dump()
    given["null_words"] = guessed.null_words
    if guessed.decimal_comma:
        given["decimal_mark"] = ","
    usual = Dialect().model_dump()
    return ", ".join(
        f"{name}={_tuple(value) if isinstance(value, tuple) else _literal(value)}"
        for name, value in given.items()
        if value != usual[name]
    )


def _column(each: GuessedColumn, roles: Roles) -> Iterator[str]:
    column = each.column
    parts = [f'name="{column.name}"', f'type="{column.type}"']
    if column.source_name is not None:
        parts.append(f"source_name={_literal(column.source_name)}")
    if column.nullable:
        parts.append("nullable=True")
    if each is roles.key and column.kind.kind == "integer" and all(int(str(value)) >= 0 for value in each.distinct):
        parts.append("minimum=0")
    rows = each.nulls + sum(each.distinct.values())
    remarks = [f"{each.nulls:,} of {rows:,} rows have none"] if each.nulls else []
    remarks += [each.remark] if each.remark else []
    line = f"                Column({', '.join(parts)}),"
    remark = f"  # {'; '.join(remarks)}" if remarks else ""
    if len(line + remark) <= _WIDTH:
        yield line + remark
    else:
        yield f"                {remark.strip()}"
        yield line


def _target(roles: Roles) -> Iterator[str]:
    target = roles.targets[0]
    kind = "multi_label" if target.column.kind.kind == "list" else "single_label"
    if len(roles.targets) > 1:
        others = ", ".join(f"{each.column.name} {_few(labels_of(each))}" for each in roles.targets[1:6])
        yield from _comment(f"the target is a guess; columns that could be it too: {others}")
    else:
        yield from _comment("the target is a guess: no other column looks like one")
    yield from _comment("labels are those of the first rows: add those that come later")
    labels = _tuple(labels_of(target))
    line = f'            target=Target(column="{target.column.name}", kind="{kind}", labels={labels}),'
    if len(line) <= _WIDTH:
        yield line
        return
    yield f'            target=Target(column="{target.column.name}", kind="{kind}", labels=('
    yield from (f"                {_literal(label)}," for label in labels_of(target))
    yield "            )),"


def _key(roles: Roles, found: FirstRows) -> Iterator[str]:
    key = roles.key.column.name
    if roles.named:
        yield from _comment(
            f"{key} came once in each of the first {found.rows:,} rows: rows equal in it are duplicates"
        )
        yield f'            split=Split(key="{key}"),'
        yield f'            unique_by=("{key}",),'
        return
    if roles.key.unique:
        yield from _comment(
            f"{key} came once in each of the first {found.rows:,} rows: if it always does, declare unique_by"
        )
        yield f'            split=Split(key="{key}"),'
        return
    yield from _comment(
        f"no column tells rows apart: rows that are equal in {key} are dealt to one split. Better is a key of whom, or "
        'what, a row is about; then declare unique_by=("…",) too'
    )
    yield f'            split=Split(key="{key}"),'


def _comment(text: str) -> Iterator[str]:
    line = "            #"
    for word in text.split():
        if len(line) + len(word) + 1 > _WIDTH:
            yield line
            line = "            #"
        line += f" {word}"
    yield line


def _few(labels: tuple[str, ...]) -> str:
    shown = ", ".join(_plain(label) for label in labels[:3])
    return f"({shown}{', …' if len(labels) > 3 else ''})"


def _tuple(values: tuple[str, ...]) -> str:
    return f"({', '.join(map(_literal, values))}{',' if len(values) == 1 else ''})"


def _literal(value: object) -> str:
    return json.dumps(value, ensure_ascii=not str(value).isprintable()) if isinstance(value, str) else repr(value)


def _plain(text: str) -> str:
    """Make a text safe for a comment or docstring: at most 80 printable characters without quotes and backslashes."""
    return "".join(letter if letter.isprintable() and letter not in '"\\' else "·" for letter in text)[:80]
