"""What a declared dataset looks like in Arrow."""

import pyarrow as pa

from millrace.contracts.column_types import ColumnKind
from millrace.contracts.data import CONTENT_COLUMN, PARTITION_COLUMN, SPLIT_COLUMN, Dataset

SPLITS = ("train", "validation", "test")

_PLAIN: dict[str, pa.DataType] = {
    "string": pa.string(),
    "bool": pa.bool_(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us", tz="UTC"),
    "binary": pa.binary(),
}


def arrow_type(kind: ColumnKind) -> pa.DataType:
    """The Arrow type of a column's values as they are staged."""
    match kind.kind:
        case "integer":
            return getattr(pa, f"{'' if kind.signed else 'u'}int{kind.bits}")()
        case "float":
            return getattr(pa, f"float{kind.bits}")()
        case "decimal":
            return pa.decimal128(kind.precision, kind.scale)
        case "list":
            if kind.item is None:
                raise TypeError("a list without its items' type")
            return pa.list_(arrow_type(kind.item))
    return _PLAIN[kind.kind]


def source_schema(dataset: Dataset) -> pa.Schema:
    """The declared columns in their order."""
    return pa.schema([(column.name, arrow_type(column.kind)) for column in dataset.columns])


def staged_schema(dataset: Dataset) -> pa.Schema:
    """The declared columns, then the split (string) and the partition (date32)."""
    return (
        source_schema(dataset)
        .append(pa.field(SPLIT_COLUMN, pa.string()))
        .append(pa.field(PARTITION_COLUMN, pa.date32()))
    )


def table_schema(dataset: Dataset) -> pa.Schema:
    """The Delta table's columns: the staged ones and the content's digest (string)."""
    return staged_schema(dataset).append(pa.field(CONTENT_COLUMN, pa.string()))


def text_features(dataset: Dataset) -> tuple[str, ...]:
    """The features that are text, in the declared order."""
    return tuple(name for name in dataset.features if dataset.column(name).type == "string")
