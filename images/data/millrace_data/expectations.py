"""Expectation suites (Great Expectations) built from a workload's declaration. Importing this module takes seconds."""

from collections.abc import Iterator, Sequence

import great_expectations.expectations as gxe
from great_expectations.expectations.expectation import Expectation

from millrace.contracts.data import PARTITION_COLUMN, SPLIT_COLUMN, Column, Dataset
from millrace_data import bounds
from millrace_data.rules import LENGTH_UNITS
from millrace_data.schema import SPLITS, staged_schema

LABEL, SHARE_CHANGE = "label", "share_change"
LARGEST_FEATURE = 3.4028235e38
"""Upper bound of features: trainers read numbers as float32, and this value and smaller ones round to a finite one."""

_LONG = 10**15


def row_expectations(dataset: Dataset) -> list[Expectation]:
    """Return expectations for a partition's Measurements: row count, columns, nulls, lengths, ranges, vocabularies."""
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
    if column.name in {dataset.target.column, dataset.split.column} and column.kind.kind != "list":
        return  # the rule of its vocabulary is stricter
    if column.kind.is_number:
        yield from _number_bounds(column)
        if column.name in dataset.features and _may_be_too_large(column):
            yield _between(
                column.name,
                -LARGEST_FEATURE,
                LARGEST_FEATURE,
                f"a number that is a feature fits a float of 32 bits, at most {LARGEST_FEATURE} in size",
            )
    elif column.kind.kind in LENGTH_UNITS:
        unit = LENGTH_UNITS[column.kind.kind]
        ends = (column.min_length, column.max_length)
        if rule := _said(("min_length", "max_length"), ends):
            yield _between(column.name, *ends, f"{rule} {unit}")


def _may_be_too_large(column: Column) -> bool:
    ends = [bounds.least(column), bounds.most(column)]
    is_bounded = all(end is not None and abs(float(end)) <= LARGEST_FEATURE for end in ends)
    return column.kind.kind == "float" and column.kind.bits == 64 and not is_bounded


def _number_bounds(column: Column) -> Iterator[Expectation]:
    rule = _said(("minimum", "maximum"), (column.minimum, column.maximum))
    if not rule:
        return
    if bounds.are_plain(column):
        yield _between(column.name, bounds.least(column), bounds.most(column), rule)
    else:
        yield _between(column.name, 0, 0, f"{rule} (0: within, -1: below, 1: above)")


def _between(column: str, least: object, most: object, rule: str) -> Expectation:
    return gxe.ExpectColumnValuesToBeBetween(column=column, min_value=least, max_value=most, meta={"rule": rule})


def _said(names: tuple[str, str], values: tuple[float | None, float | None]) -> str:
    return " and ".join(
        f"{name} {_number(value)}" for name, value in zip(names, values, strict=True) if value is not None
    )


def _number(value: float) -> str:
    return f"{int(value):,}" if value == int(value) and abs(value) < _LONG else str(value)


def _vocabularies(dataset: Dataset) -> Iterator[Expectation]:
    yield _within(SPLIT_COLUMN, SPLITS, "one of Millrace's splits")
    if dataset.split.column is not None:
        yield _within(dataset.split.column, ("train", "test"), "train or test")
    if dataset.target.kind == "single_label":
        yield _within(dataset.target.column, dataset.target.labels, "one of target.labels")


def _within(column: str, values: Sequence[str], rule: str) -> Expectation:
    return gxe.ExpectColumnValuesToBeInSet(column=column, value_set=list(values), meta={"rule": rule})


def label_expectations(dataset: Dataset) -> list[Expectation]:
    """Return the expectation for a partition's distinct labels, one row a label: each is in ``target.labels``."""
    return [_within(LABEL, dataset.target.labels, "one of target.labels")]


def balance_expectations(dataset: Dataset) -> list[Expectation]:
    """Return the expectation for the workload's labels, one row a label: each share is close to the live version's.

    A label may have no rows.
    """
    most = dataset.expectations.max_label_share_change
    rule = f"a label's share of rows differs by at most {most} from the live version's, beyond what chance may do"
    return [
        gxe.ExpectColumnValuesToBeBetween(
            column=SHARE_CHANGE, min_value=-most, max_value=most, meta={"rule": f"{rule} to so many rows"}
        )
    ]
