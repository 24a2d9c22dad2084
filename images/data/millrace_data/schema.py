"""Arrow schemas and types of a declared dataset: in arrivals, in staging and in the Delta table."""

from collections import Counter
from collections.abc import Sequence

import pyarrow as pa

from millrace.contracts.column_types import ColumnKind
from millrace.contracts.data import CONTENT_COLUMN, PARTITION_COLUMN, SPLIT_COLUMN, Dataset
from millrace.contracts.errors import BadInputError
from millrace_data.arrival_errors import listed

SPLITS = ("train", "validation", "test")

_PLAIN: dict[str, pa.DataType] = {
    "string": pa.string(),
    "bool": pa.bool_(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us", tz="UTC"),
    "binary": pa.binary(),
}
# Delta has signed integers only
_SIGNED: dict[int, pa.DataType] = {8: pa.int16(), 16: pa.int32(), 32: pa.int64(), 64: pa.decimal128(20, 0)}


def arrow_type(kind: ColumnKind) -> pa.DataType:
    """Return the Arrow type of a column's values in staging."""
    match kind.kind:
        case "integer":
            return getattr(pa, f"{'' if kind.signed else 'u'}int{kind.bits}")()
        case "float":
            return getattr(pa, f"float{kind.bits}")()
        case "decimal":
            return pa.decimal128(kind.precision, kind.scale)
        case "list":
            return pa.list_(arrow_type(item_kind(kind)))
    return _PLAIN[kind.kind]


def table_type(kind: ColumnKind) -> pa.DataType:
    """Return the type in the Delta table: as staged, but unsigned integers one size wider; uint64 is decimal(20,0)."""
    if kind.kind == "list":
        return pa.list_(table_type(item_kind(kind)))
    return _SIGNED[kind.bits] if kind.kind == "integer" and not kind.signed else arrow_type(kind)


def item_kind(kind: ColumnKind) -> ColumnKind:
    """Return the type of a list's items. Raises TypeError if it has none."""
    if kind.item is None:
        raise TypeError("a list without its items' type")
    return kind.item


def source_schema(dataset: Dataset) -> pa.Schema:
    """Return the declared columns in their order."""
    return pa.schema([(column.name, arrow_type(column.kind)) for column in dataset.columns])


def staged_schema(dataset: Dataset) -> pa.Schema:
    """Return the declared columns, then the split (string) and the partition (date32)."""
    return _with_own(source_schema(dataset))


def table_schema(dataset: Dataset) -> pa.Schema:
    """Return the Delta table's columns: the staged ones in the table's types, then the content digest (string)."""
    declared = pa.schema([(column.name, table_type(column.kind)) for column in dataset.columns])
    return _with_own(declared).append(pa.field(CONTENT_COLUMN, pa.string()))


def _with_own(declared: pa.Schema) -> pa.Schema:
    own = (pa.field(SPLIT_COLUMN, pa.string()), pa.field(PARTITION_COLUMN, pa.date32()))
    return declared.append(own[0]).append(own[1])


def text_features(dataset: Dataset) -> tuple[str, ...]:
    """Return the names of the features that are text, in the declared order."""
    return tuple(name for name in dataset.features if dataset.column(name).type == "string")


def check_names(found: Sequence[str], dataset: Dataset, uri: str) -> None:
    """Raise BadInputError unless the arrivals' columns are the declared ones, each once, in any order.

    Columns that are not declared are allowed if ``dataset.extra_columns`` is "drop".
    """
    declared = [column.arrives_as for column in dataset.columns]
    known, times = set(declared), Counter(found)
    extra = [] if dataset.extra_columns == "drop" else sorted(times.keys() - known)
    missing = sorted(known - times.keys())
    twice = sorted(name for name in known if times[name] > 1)
    reported = {"missing": missing, "not declared": extra, "there twice": twice}
    if not any(reported.values()):
        return
    raise BadInputError(
        "the columns are not the declared ones: "
        + "; ".join(f"{listed(names)} {how}" for how, names in reported.items() if names),
        where=uri,
        rule=f"exactly the columns {listed(declared)}, in any order",
        remedy="correct the file, or declare its columns in the workload",
    )


def extra_names(found: Sequence[str], dataset: Dataset) -> frozenset[str]:
    """Return the names of arrivals' columns that are not declared."""
    return frozenset(found) - {column.arrives_as for column in dataset.columns}
