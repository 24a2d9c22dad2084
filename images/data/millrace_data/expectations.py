"""The suites that a workload's own declaration makes. Importing this module takes seconds."""

from collections.abc import Iterator, Sequence

import great_expectations.expectations as gxe
from great_expectations.expectations.expectation import Expectation

from millrace.contracts.data import PARTITION_COLUMN, SPLIT_COLUMN, Column, Dataset
from millrace_data.schema import SPLITS, staged_schema

LABEL, TRAINING_EXAMPLES, SHARE_CHANGE = "label", "training_examples", "share_change"


def row_expectations(dataset: Dataset) -> list[Expectation]:
    """On a partition's Measurements: row count, columns, completeness, lengths, ranges, vocabularies."""
    least, most = dataset.expectations.min_rows, dataset.expectations.max_rows
    names = staged_schema(dataset).names
    rule = f"{least:,} rows or more" if most is None else f"{least:,} to {most:,} rows"
    complete = [column.name for column in dataset.columns if not column.nullable]
    return [
        gxe.ExpectTableRowCountToBeBetween(min_value=least, max_value=most, meta={"rule": rule}),
        gxe.ExpectTableColumnsToMatchSet(column_set=names, exact_match=True, meta={"rule": f"the columns {names}"}),
        *(
            gxe.ExpectColumnValuesToNotBeNull(column=name, meta={"rule": "complete"})
            for name in [*complete, SPLIT_COLUMN, PARTITION_COLUMN]
        ),
        *(expectation for column in dataset.columns for expectation in _bounds(column, dataset)),
        *_vocabularies(dataset),
    ]


def _bounds(column: Column, dataset: Dataset) -> Iterator[Expectation]:
    if column.name in {dataset.target.column, dataset.split.column} and column.type == "string":
        return  # its values are a vocabulary, which is the stricter rule
    least: float | None
    most: float | None
    if column.type in {"string", "list<string>"}:
        unit = "characters" if column.type == "string" else "items"
        least, most = column.min_length, column.max_length
        names = ("min_length", "max_length")
    else:
        unit, least, most, names = "", column.minimum, column.maximum, ("minimum", "maximum")
    if least is None and most is None:
        return
    said = " and ".join(
        f"{name} {_number(value)}" for name, value in zip(names, (least, most), strict=True) if value is not None
    )
    yield gxe.ExpectColumnValuesToBeBetween(
        column=column.name, min_value=least, max_value=most, meta={"rule": f"{said} {unit}".strip()}
    )


def _number(value: float) -> str:
    return f"{int(value):,}" if value == int(value) else str(value)


def _vocabularies(dataset: Dataset) -> Iterator[Expectation]:
    yield _within(SPLIT_COLUMN, SPLITS, "one of Millrace's splits")
    if dataset.split.column is not None:
        yield _within(dataset.split.column, ("train", "test"), "train or test")
    if dataset.target.kind == "single_label":
        yield _within(dataset.target.column, dataset.target.labels, "one of target.labels")


def _within(column: str, values: Sequence[str], rule: str) -> Expectation:
    return gxe.ExpectColumnValuesToBeInSet(column=column, value_set=list(values), meta={"rule": rule})


def label_expectations(dataset: Dataset) -> list[Expectation]:
    """On a partition's distinct labels, one row a label: all of them are the workload's."""
    return [_within(LABEL, dataset.target.labels, "one of target.labels")]


def balance_expectations(dataset: Dataset, has_live: bool) -> list[Expectation]:
    """On the workload's labels, one row a label: examples in the training split, and shares close to the live ones."""
    most = dataset.expectations.max_label_share_change
    examples = gxe.ExpectColumnValuesToBeBetween(
        column=TRAINING_EXAMPLES, min_value=1, meta={"rule": "every label has an example in the training split"}
    )
    change = gxe.ExpectColumnValuesToBeBetween(
        column=SHARE_CHANGE,
        min_value=-most,
        max_value=most,
        meta={"rule": f"a label's share of rows differs by at most {most} from the live version's"},
    )
    return [examples, change] if has_live else [examples]
