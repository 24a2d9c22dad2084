"""What a declared dataset looks like in Arrow."""

import pyarrow as pa

from millrace.contracts.data import CONTENT_COLUMN, PARTITION_COLUMN, SPLIT_COLUMN, Dataset

SPLITS = ("train", "validation", "test")

_TYPES: dict[str, pa.DataType] = {
    "string": pa.string(),
    "int64": pa.int64(),
    "float64": pa.float64(),
    "bool": pa.bool_(),
    "list<string>": pa.list_(pa.string()),
}


def source_schema(dataset: Dataset) -> pa.Schema:
    """The declared columns in their order."""
    return pa.schema([(column.name, _TYPES[column.type]) for column in dataset.columns])


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
