"""Rules between the parts of a declared dataset, beyond each part's own validation."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from millrace.contracts.column_types import ColumnKind
from millrace.contracts.mistakes import Mistake, Place, meant

if TYPE_CHECKING:
    from millrace.contracts.data import Column, Dataset

RESERVED = ("split_", "partition_", "content_")
"""Columns that Millrace adds to a dataset's own."""

_LABEL_KINDS = {"string", "bool", "integer"}
_WHOLE = re.compile(r"(0|-?[1-9][0-9]*)\Z")
_TRUTH = ("false", "true")


def column_bounds(column: Column) -> Iterator[Mistake]:
    """Check that the column's type has the declared bounds, and that they allow a value."""
    kind = column.kind
    if not kind.is_number:
        for name in ("minimum", "maximum"):
            if getattr(column, name) is not None:
                yield Mistake(
                    (name,),
                    f"column {column.name!r}: {name} is of numbers, and it is {column.type}",
                    "minimum and maximum are of numbers",
                    f"leave {name} out",
                )
    if kind.kind not in {"string", "binary", "list"}:
        for name in ("min_length", "max_length"):
            if getattr(column, name) is not None:
                yield Mistake(
                    (name,),
                    f"column {column.name!r}: {name} is of texts and lists, and it is {column.type}",
                    "min_length and max_length are of texts, binary and lists",
                    f"leave {name} out",
                )
    for low, high in (("minimum", "maximum"), ("min_length", "max_length")):
        least, most = getattr(column, low), getattr(column, high)
        if least is not None and most is not None and least > most:
            yield Mistake(
                (high,),
                f"column {column.name!r}: no value lies between {low} and {high}, {least} and {most}",
                f"{low} is at most {high}",
                "correct one of them",
            )


def column_names(dataset: Dataset) -> Iterator[Mistake]:
    """Check that names are unique, in the table and in the arrivals, and not reserved by Millrace."""
    seen: dict[str, str] = {}
    arriving: set[str] = set()
    for index, column in enumerate(dataset.columns):
        name, source = vars(column).get("name"), vars(column).get("source_name")
        if name is None:
            continue
        place: Place = ("columns", index, "name")
        if name in seen.values():
            yield Mistake(
                place, f"columns: {name!r} occurs twice", "each column has its own name", "rename one of them"
            )
        elif name.lower() in seen:
            yield Mistake(
                place,
                f"columns: {seen[name.lower()]!r} and {name!r} differ by case alone",
                "no table of Delta or Spark can tell such names apart",
                "rename one of them; source_name keeps the arrivals'",
            )
        elif (source or name) in arriving:
            yield Mistake(
                ("columns", index, "source_name" if source else "name"),
                f"columns: two are read from the arrivals' column {source or name!r}",
                "each column is read from one of its own",
                "correct source_name",
            )
        if name.lower() in RESERVED:
            yield Mistake(
                place,
                f"columns: {name!r} is Millrace's own",
                f"{', '.join(RESERVED)} are added to every table",
                "rename it; source_name keeps the arrivals' name",
            )
        seen.setdefault(name.lower(), name)
        arriving.add(source or name)


def used_columns(dataset: Dataset) -> Iterator[Mistake]:
    """Check that every column in use is declared, and none is listed twice."""
    known = [vars(column).get("name") for column in dataset.columns]
    if None in known:
        return
    names = [name for name in known if name is not None]
    for place, name in _used(dataset):
        if name not in names:
            yield Mistake(
                place,
                f"the column {name!r} is used but not declared",
                f"declared are {', '.join(names)}",
                meant(name, names, f'declare Column(name="{name}", type=…), or leave it out'),
            )
    for field in ("features", "unique_by"):
        listed = getattr(dataset, field)
        for index, name in enumerate(listed):
            if name in listed[:index]:
                yield Mistake((field, index), f"{field}: {name!r} occurs twice", "each one is named once", "remove it")


def _used(dataset: Dataset) -> Iterator[tuple[Place, str]]:
    for field in ("features", "unique_by"):
        yield from (((field, index), name) for index, name in enumerate(getattr(dataset, field)))
    yield ("target", "column"), dataset.target.column
    yield ("split", "key"), dataset.split.key
    if dataset.split.column is not None:
        yield ("split", "column"), dataset.split.column


def leaks(dataset: Dataset) -> Iterator[Mistake]:
    """Check that neither the target column nor the split's column is a feature."""
    for index, name in enumerate(dataset.features):
        if name == dataset.target.column:
            yield Mistake(
                ("features", index),
                f"the target {name!r} is among the features",
                "a model that is shown the answer learns nothing else",
                "leave it out of features",
            )
        elif name == dataset.split.column:
            yield Mistake(
                ("features", index),
                f"the split's column {name!r} is among the features",
                "which rows test a model tells it nothing about them",
                "leave it out of features",
            )


def target(dataset: Dataset) -> Iterator[Mistake]:
    """Check that the target's type can hold labels, and that every row has a label."""
    column = find_column(dataset, dataset.target.column)
    if column is None:
        return
    kind, place = column.kind, ("columns", dataset.columns.index(column))
    single = dataset.target.kind == "single_label"
    if single and kind.kind not in _LABEL_KINDS:
        yield Mistake(
            ("target", "column"),
            f"the target {column.name!r} is {column.type}, which has no single label",
            'the target of kind "single_label" is a column of type string, bool or an integer',
            'declare kind="multi_label"' if column.type == "list<string>" else "name another column, or another type",
        )
    if not single and column.type != "list<string>":
        yield Mistake(
            ("target", "column"),
            f"the target {column.name!r} is {column.type}, which holds no set of labels",
            'the target of kind "multi_label" is a column of type list<string>',
            'declare kind="single_label", or the type list<string>',
        )
    if column.nullable:
        yield Mistake(
            (*place, "nullable"),
            f"the target {column.name!r} is nullable",
            "every row has its label",
            "leave nullable out; rows without a label do not belong into the arrivals of a training",
        )


def label_names(dataset: Dataset) -> Iterator[Mistake]:
    """Check that labels are unique, and that optional ones are among them."""
    declared = dataset.target.labels
    for index, label in enumerate(declared):
        if label in declared[:index]:
            yield Mistake(
                ("target", "labels", index),
                f"target.labels: {label!r} occurs twice",
                "each label is named once",
                "remove it",
            )
    for index, label in enumerate(dataset.target.optional_labels):
        if label not in declared:
            yield Mistake(
                ("target", "optional_labels", index),
                f"target.optional_labels: {label!r} is not among target.labels",
                f"labels are {', '.join(declared)}",
                meant(label, declared, "add it to labels too"),
            )


def labels(dataset: Dataset) -> Iterator[Mistake]:
    """Check that each label is a possible value of the target's column."""
    column = find_column(dataset, dataset.target.column)
    if column is None:
        return
    for index, label in enumerate(dataset.target.labels):
        if rule := _never(column, label, dataset):
            yield Mistake(
                ("target", "labels", index),
                f"the label {label!r} can never occur in {column.name!r}",
                rule,
                "correct the label or the column",
            )


def _never(column: Column, label: str, dataset: Dataset) -> str | None:
    kind = column.kind.item if column.kind.kind == "list" and column.kind.item else column.kind
    if kind.kind == "bool" and label not in _TRUTH:
        return "labels of a column of type bool are true and false"
    if kind.kind == "integer":
        if not _WHOLE.match(label):
            return f"labels of a column of type {column.type} are whole numbers as Python writes them, such as 0 and 1"
        low, high = kind.bounds
        low = low if column.minimum is None else max(low, column.minimum)  # type: ignore[assignment]
        high = high if column.maximum is None else min(high, column.maximum)  # type: ignore[assignment]
        if not low <= int(label) <= high:
            return f"the column holds numbers from {low} to {high}"
    if column.kind.kind == "string":
        shortest, longest = column.min_length or 0, column.max_length
        if len(label) < shortest or (longest is not None and len(label) > longest):
            return f"its texts have {shortest} to {longest or 'any number of'} characters"
        if label and label in dataset.source.dialect.null_words:
            return f"a field that reads {label!r} is null (dialect.null_words)"
    return None


def split(dataset: Dataset) -> Iterator[Mistake]:
    """Check that every row has the values that assign it to a split."""
    key = find_column(dataset, dataset.split.key)
    if key is not None and key.nullable:
        yield Mistake(
            ("columns", dataset.columns.index(key), "nullable"),
            f"the split's key {key.name!r} is nullable",
            "every row is dealt to a split by its key",
            "leave nullable out, or name a key that every row has",
        )
    if key is not None and key.kind.kind == "list":
        yield Mistake(
            ("split", "key"), f"the split's key {key.name!r} is {key.type}", "a key is one value", "name another column"
        )
    by = find_column(dataset, dataset.split.column or "")
    if by is not None and by.type != "string":
        yield Mistake(
            ("split", "column"),
            f"the split's column {by.name!r} is {by.type}",
            'it is a column of type string, in which test rows say "test"',
            "declare it as string, or leave split.column out: rows are dealt by the key",
        )
    if by is not None and by.nullable:
        yield Mistake(
            ("columns", dataset.columns.index(by), "nullable"),
            f"the split's column {by.name!r} is nullable",
            "every row says which split it is of",
            "leave nullable out, or leave split.column out: rows are dealt by the key",
        )


def deduplicated(dataset: Dataset) -> Iterator[Mistake]:
    """Check that deduplication over the dataset has ``unique_by`` columns."""
    if dataset.deduplicate == "dataset" and not dataset.unique_by:
        yield Mistake(
            ("unique_by",) if "unique_by" in dataset.model_fields_set else ("deduplicate",),
            "deduplicate over the whole data set needs unique_by",
            "rows are told apart by the columns of unique_by",
            'declare unique_by=("id",) or the like',
        )


def row_counts(dataset: Dataset) -> Iterator[Mistake]:
    """Check that max_rows is not less than min_rows."""
    expected = dataset.expectations
    if expected.max_rows is not None and expected.max_rows < expected.min_rows:
        yield Mistake(
            ("expectations", "max_rows"),
            f"no day has between {expected.min_rows} and {expected.max_rows} rows",
            "min_rows is at most max_rows",
            "correct one of them",
        )


def types(dataset: Dataset) -> Iterator[Mistake]:
    """Check that the source's format can hold each column's type."""
    if dataset.source.format == "parquet":
        return
    for index, column in enumerate(dataset.columns):
        kind = find_kind(column)
        if dataset.source.format != "jsonl" and kind and kind.item and kind.item.kind == "list":
            yield Mistake(
                ("columns", index, "type"),
                f"the column {column.name!r} is {column.type}, which {dataset.source.format} cannot hold",
                'a list is written as its items joined by "|", so that a list of lists has no text',
                "deliver JSON Lines or Parquet",
            )


def find_column(dataset: Dataset, name: str) -> Column | None:
    """Return the declared column of that name; None if there is none or its type does not exist."""
    found = (column for column in dataset.columns if vars(column).get("name") == name)
    return next((column for column in found if find_kind(column) is not None), None)


def find_kind(column: Column) -> ColumnKind | None:
    """Return the column's parsed type; None if the type is invalid, which its own validation reports."""
    try:
        return column.kind
    except (AttributeError, ValueError):
        return None


COLUMN_RULES = (column_bounds,)
RULES = (column_names, used_columns, label_names, deduplicated)
"""Rules for every dataset: a step cannot read one that violates them."""
DECLARATION_RULES = (leaks, target, labels, split, row_counts, types)
"""Rules for new declarations; declarations stored before such a rule existed can still be read."""
