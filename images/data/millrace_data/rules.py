"""Checks of the columns' declared rules on whole batches; the first violation is reported."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache

import pyarrow as pa
import pyarrow.compute as pc

from millrace.contracts.data import Column, Dataset
from millrace.contracts.errors import BadInputError
from millrace_data import bounds, made

_UTF8_BYTES_PER_CHARACTER = 4
LENGTH_UNITS = {"string": "characters", "binary": "bytes", "list": "items"}
# keys are hashed as Python's text of the value, and Python has no other years
_CALENDAR = {
    "date": (date.min, date.max),
    "timestamp": (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)),
}


@dataclass(frozen=True)
class Violation:
    """Violation of a rule by rows of a batch; ``index`` is the first such row, from 0."""

    index: int
    column: str
    what: str
    rule: str
    remedy: str

    def error(self, uri: str, rows_before: int) -> BadInputError:
        """Return the error, with the file, the row (from 1) and the field, never the value."""
        return BadInputError(
            self.what,
            where=f"{uri}, row {rows_before + self.index + 1}, field {self.column!r}",
            rule=f"{self.rule} (rows count from 1, headers and blank lines apart)",
            remedy=self.remedy,
        )


def first_violation(batch: pa.RecordBatch, dataset: Dataset) -> Violation | None:
    """Return the violation with the lowest row index, or None if no row violates a rule."""
    violations = [
        violation for column in dataset.columns for violation in _violations(column, batch.column(column.name), dataset)
    ]
    return min(violations, key=lambda violation: violation.index, default=None)


def _violations(column: Column, array: pa.Array, dataset: Dataset) -> Iterator[Violation]:
    # the readers of text formats have checked this already
    if dataset.source.format == "parquet" and (not_utf8 := _not_utf8(column, array)):
        yield not_utf8
        return
    must_be_complete = not column.nullable or column.name in _always_complete(dataset)
    if must_be_complete and array.null_count:
        yield _violation(
            column, pc.is_null(array), "a value is missing or null", "the column is complete", "give every row a value"
        )
    match column.kind.kind:
        case "string":
            yield from _length_violations(column, array, _character_bounds(array), pc.utf8_length)
        case "binary":
            yield from _length_violations(column, array, _min_max(pc.binary_length(array)), pc.binary_length)
        case "list":
            yield from _item_violations(column, array)
            lengths = pc.list_value_length(array)
            yield from _length_violations(column, array, _min_max(lengths), pc.list_value_length)
        case "integer" | "decimal":
            yield from _bound_violations(column, array)
        case "float":
            yield from _finite_violations(column, array)
            yield from _bound_violations(column, array)
        case "date" | "timestamp":
            yield from _calendar_violations(column, array)
    yield from _vocabulary_violations(column, array, dataset)


def _always_complete(dataset: Dataset) -> set[str]:
    names = {dataset.split.key, dataset.target.column}
    return names | {dataset.split.column} if dataset.split.column else names


def _violation(column: Column, broken: pa.BooleanArray, what: str, rule: str, remedy: str) -> Violation:
    return Violation(pc.index(pc.fill_null(broken, False), True).as_py(), column.name, what, rule, remedy)


def _not_utf8(column: Column, array: pa.Array) -> Violation | None:
    if not pa.types.is_string(_leaf_type(array.type)):
        return None
    try:
        array.validate(full=True)
    except pa.ArrowInvalid:
        bad = next(index for index in range(len(array)) if not _is_utf8(array.slice(index, 1)))
        return Violation(
            bad, column.name, "the text is not UTF-8", "text is UTF-8", "convert the file, for instance with iconv"
        )
    return None


def _is_utf8(array: pa.Array) -> bool:
    try:
        array.to_pylist()
    except UnicodeDecodeError:
        return False
    return True


def _min_max(numbers: pa.Array) -> tuple[int, int]:
    found = pc.min_max(numbers).as_py()
    return (found["min"], found["max"]) if found["min"] is not None else (0, 0)


def _character_bounds(array: pa.Array) -> tuple[int, int]:
    """Return bounds of the texts' lengths in characters, from byte lengths, so that most batches need no decoding."""
    shortest, longest = _min_max(pc.binary_length(array))
    return -(-shortest // _UTF8_BYTES_PER_CHARACTER), longest


def _length_violations(
    column: Column, array: pa.Array, extremes: tuple[int, int], count: Callable[[pa.Array], pa.Array]
) -> Iterator[Violation]:
    unit = LENGTH_UNITS[column.kind.kind]
    if column.max_length is not None and extremes[1] > column.max_length:
        lengths = count(array)
        if _min_max(lengths)[1] > column.max_length:
            yield _violation(
                column,
                pc.greater(lengths, column.max_length),
                f"a value has {_min_max(lengths)[1]:,} {unit}",
                f"at most {column.max_length:,} {unit} (max_length)",
                "cut or drop the row at the source, or raise max_length in the workload",
            )
    if column.min_length is not None and extremes[0] < column.min_length:
        lengths = count(array)
        too_short = pc.less(lengths, column.min_length)
        if pc.any(too_short).as_py():
            yield _violation(
                column,
                too_short,
                "a value is too short",
                f"at least {column.min_length:,} {unit} (min_length)",
                "complete or drop the row at the source, or lower min_length in the workload",
            )


def _leaf_type(kind: pa.DataType) -> pa.DataType:
    """Return the type of a list's innermost items, or the type itself if it is no list."""
    return _leaf_type(kind.value_type) if pa.types.is_list(kind) else kind


def _item_violations(column: Column, array: pa.Array) -> Iterator[Violation]:
    items = array
    while pa.types.is_list(items.type):
        items = items.flatten()
        if items.null_count:
            yield _row_violation(column, array, _has_null, "an item of the list is null", "items are complete")
            return
    if pa.types.is_floating(items.type) and pc.all(pc.is_finite(items)).as_py() is False:
        yield _row_violation(
            column, array, _has_infinite, "an item of the list is NaN or infinite", "numbers are finite"
        )


def _row_violation(
    column: Column, array: pa.Array, is_bad: Callable[[object], bool], what: str, rule: str
) -> Violation:
    bad = [row is not None and is_bad(row) for row in array.to_pylist()]
    return _violation(column, pa.array(bad), what, rule, "drop the item")


def _has_null(row: object) -> bool:
    return any(_has_null(item) for item in row) if isinstance(row, list) else row is None


def _has_infinite(row: object) -> bool:
    if isinstance(row, list):
        return any(_has_infinite(item) for item in row)
    return isinstance(row, float) and not abs(row) < float("inf")


def _finite_violations(column: Column, array: pa.Array) -> Iterator[Violation]:
    finite = pc.is_finite(array)
    if pc.all(finite).as_py() is False:
        yield _violation(
            column, pc.invert(finite), "a value is NaN or infinite", "numbers are finite", "correct the row"
        )


def _bound_violations(column: Column, array: pa.Array) -> Iterator[Violation]:
    for beyond, size, rule in (
        (bounds.below(column, array), "small", f"at least {column.minimum} (minimum)"),
        (bounds.above(column, array), "large", f"at most {column.maximum} (maximum)"),
    ):
        if beyond is not None and pc.any(beyond).as_py():
            yield _violation(column, beyond, f"a value is too {size}", rule, "correct or drop the row")


def _calendar_violations(column: Column, array: pa.Array) -> Iterator[Violation]:
    first, last = (pa.scalar(end, array.type) for end in _CALENDAR[column.kind.kind])
    outside = pc.or_(pc.less(array, first), pc.greater(array, last))
    if pc.any(outside).as_py():
        yield _violation(column, outside, "a year is beyond the calendar", "years 1 to 9999", "correct or drop the row")


def _vocabulary_violations(column: Column, array: pa.Array, dataset: Dataset) -> Iterator[Violation]:
    if column.name == dataset.split.column:
        remedy = "correct the row, or deal by hash (no split.column)"
        yield from _unknown_violations(column, array, ("train", "test"), "the source's split", remedy)
    if column.name == dataset.target.column:
        remedy = "correct the row, or add the label to the workload"
        yield from _unknown_violations(column, array, dataset.target.labels, "target.labels", remedy)


@cache
def _with_null(words: tuple[str, ...]) -> pa.StringArray:
    return pa.concat_arrays([made.words(words), pa.nulls(1, pa.string())])


def _unknown_violations(
    column: Column, array: pa.Array, words: tuple[str, ...], rule: str, remedy: str
) -> Iterator[Violation]:
    is_list = pa.types.is_list(array.type)
    values = array.flatten() if is_list else array
    if not pa.types.is_string(values.type):
        values = values.cast(pa.string())
    known = pc.is_in(values, value_set=_with_null(words))
    if pc.all(known).as_py() is not False:  # None if there is no value
        return
    if is_list:
        allowed = set(words)
        known = pa.array([row is None or allowed.issuperset(row) for row in array.to_pylist()])
    yield _violation(
        column, pc.invert(known), f"a value is not one of the {len(words)} of {rule}", f"values of {rule} only", remedy
    )
