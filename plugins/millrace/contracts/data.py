"""Datasets: columns, source, split and rules; partitions, versions and profiles."""

from datetime import date, timedelta
from typing import Annotated, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from millrace.contracts import dataset_rules
from millrace.contracts.base import Contract, FieldName, Name, Sha256, Uri
from millrace.contracts.column_types import ColumnKind, ColumnType, column_kind
from millrace.contracts.dataset_rules import RESERVED
from millrace.contracts.declared import DeclaredContract
from millrace.contracts.source import SPARK, Dialect, Marker, Source

__all__ = ["SPARK", "Column", "Dataset", "Dialect", "Marker", "Source", "Split", "Target"]


class Column(DeclaredContract):
    """A column and its rules. Nulls are errors unless ``nullable`` is True.

    Text forms in CSV and TSV: an integer is digits with an optional "-", a number ``-1.5e3``, a bool true, false, 1 or
    0, a date ``2026-01-31``, a timestamp ``2026-01-31T08:00:00Z`` or with another offset, binary Base64, a list its
    items joined by "|".
    """

    name: FieldName
    type: ColumnType
    source_name: str | None = Field(
        default=None, min_length=1, max_length=255, description="name in the arrivals, if it differs: 'Customer ID'"
    )
    nullable: bool = False
    min_length: int | None = Field(default=None, ge=0, description="characters, bytes, or items of a list")
    max_length: int | None = Field(default=None, ge=1, description="characters, bytes, or items of a list")
    minimum: int | float | None = None
    maximum: int | float | None = None

    RULES: ClassVar = dataset_rules.COLUMN_RULES

    @property
    def kind(self) -> ColumnKind:
        """The parsed type."""
        return column_kind(self.type)

    @property
    def arrives_as(self) -> str:
        """The column's name in the arrivals."""
        return self.source_name or self.name


class Split(DeclaredContract):
    """Assignment of rows to training, validation and test, the same each time.

    ``key`` is hashed (CRC-32 of its UTF-8 bytes, so stable across machines and versions). With ``column``, rows
    whose value there is ``test`` are the test split, and the rest are divided between training and validation.
    """

    key: FieldName
    column: FieldName | None = None
    validation_fraction: float = Field(default=0.1, gt=0, lt=0.5)
    test_fraction: float = Field(default=0.2, ge=0, lt=0.5, description="unused when `column` is set")


def _in_order(values: object) -> object:
    if isinstance(values, (set, frozenset)):
        raise ValueError("a set has no order, and each process would see another one")
    return values


InOrder = BeforeValidator(_in_order)


class Target(DeclaredContract):
    """The predicted column: one label per row, or a set of labels."""

    column: FieldName
    kind: Literal["single_label", "multi_label"]
    labels: Annotated[tuple[str, ...], InOrder] = Field(min_length=2)
    optional_labels: tuple[str, ...] = Field(
        default=(), description="subset of labels; training may start before any row has them"
    )


class Expectations(DeclaredContract):
    """Checks that validation makes on each partition, beyond the columns' own rules."""

    min_rows: int = Field(default=1, ge=1)
    max_rows: int | None = Field(default=None, ge=1)
    max_label_share_change: float = Field(
        default=0.2,
        gt=0,
        le=1,
        description="largest change of a label's share of rows, against the live dataset version",
    )


class Dataset(DeclaredContract):
    """A workload's data: its columns, source, split and rules."""

    source: Source
    columns: tuple[Column, ...] = Field(min_length=1)
    features: Annotated[tuple[FieldName, ...], InOrder] = Field(min_length=1)
    target: Target
    split: Split
    unique_by: tuple[FieldName, ...] = Field(
        default=(), description="rows equal in these columns are duplicates; () keeps all"
    )
    nulls_equal: bool = Field(default=False, description="nulls in unique_by compare as equal")
    deduplicate: Literal["partition", "dataset"] = Field(
        default="partition", description="within a partition, or over all partitions: the earliest one keeps the row"
    )
    extra_columns: Literal["refuse", "drop"] = Field(
        default="refuse", description="undeclared columns of arrivals: an error, or dropped and reported"
    )
    max_bad_rows_share: float = Field(
        default=0,
        ge=0,
        lt=1,
        description="share of a day's rows (JSON Lines, CSV, TSV) that may be unreadable; they are quarantined",
    )
    expectations: Expectations = Expectations()
    generation: int = Field(
        default=1,
        ge=1,
        description="increase it when columns change: a new table, filled by a backfill, replaces the old one",
    )

    RULES: ClassVar = dataset_rules.RULES

    def column(self, name: str) -> Column:
        """Return the declared column of that name."""
        return next(column for column in self.columns if column.name == name)


SPLIT_COLUMN, PARTITION_COLUMN, CONTENT_COLUMN = RESERVED


class Window(Contract):
    """A range of partitions, first and last day included."""

    first: date
    last: date

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.last < self.first:
            raise ValueError(f"the window ends ({self.last}) before it begins ({self.first})")
        if (self.last - self.first).days > 3660:
            raise ValueError("a window holds at most 3,661 days")
        return self

    @property
    def days(self) -> list[date]:
        """The window's days, in order."""
        return [self.first + timedelta(days=number) for number in range((self.last - self.first).days + 1)]


class StagedPartition(Contract):
    """A partition in staging, as ingest wrote it: not yet visible to any reader."""

    partition: date
    file_uri: Uri
    rows: int = Field(ge=1)
    duplicates: int = Field(ge=0)
    source_uri: Uri
    source_bytes: int = Field(ge=0)
    source_identity: str | None = Field(
        default=None, max_length=1024, description="the file's identity in the store, equal before and after reading"
    )
    dropped_columns: tuple[str, ...] = Field(
        default=(), description="undeclared; for JSON Lines only those of the first rows"
    )
    bad_rows: int = Field(default=0, ge=0, description="unreadable rows; ``bad_rows_uri`` has them with their reasons")
    bad_rows_uri: Uri | None = None
    content_sha256: Sha256 = Field(
        description="of the source's bytes and the schema; an equal digest means no new data"
    )


class DatasetVersion(Contract):
    """A published dataset version: the Delta table's version, and the last partition that a reader takes from it."""

    workload: Name
    uri: Uri
    version: int = Field(ge=0)
    until: date
    generation: int = Field(default=1, ge=1, description="the dataset's generation; each has its own table")

    @property
    def age(self) -> tuple[date, int, int]:
        """Sort key, larger for newer data: last day, then generation, then version of the table."""
        return self.until, self.generation, self.version

    @property
    def described(self) -> str:
        """The version as readable text."""
        generation = f"generation {self.generation}, " if self.generation > 1 else ""
        return f"until {self.until}, {generation}version {self.version}"


class LengthHistogram(Contract):
    """Histogram of tokens per row: ``counts[i]`` rows have more than ``upper[i-1]`` and at most ``upper[i]`` tokens."""

    upper: tuple[int, ...]
    counts: tuple[int, ...]


class Profile(Contract):
    """Statistics that validation collects and sizing reads. Profiles of partitions add up to the dataset's profile."""

    rows: int = Field(ge=0)
    bytes: int = Field(ge=0)
    rows_by_split: dict[str, int]
    label_counts: dict[str, int]
    train_label_counts: dict[str, int] = Field(default_factory=dict, description="label_counts of the training split")
    token_lengths: LengthHistogram | None = Field(default=None, description="None for data without text")

    def __add__(self, other: "Profile") -> "Profile":
        return Profile(
            rows=self.rows + other.rows,
            bytes=self.bytes + other.bytes,
            rows_by_split=_sum(self.rows_by_split, other.rows_by_split),
            label_counts=_sum(self.label_counts, other.label_counts),
            train_label_counts=_sum(self.train_label_counts, other.train_label_counts),
            token_lengths=_sum_lengths(self.token_lengths, other.token_lengths),
        )


def _sum(left: dict[str, int], right: dict[str, int]) -> dict[str, int]:
    return {name: left.get(name, 0) + right.get(name, 0) for name in sorted({*left, *right})}


def _sum_lengths(left: LengthHistogram | None, right: LengthHistogram | None) -> LengthHistogram | None:
    if left is None or right is None:
        return None
    counts = _sum(*({str(upper): n for upper, n in zip(h.upper, h.counts, strict=True)} for h in (left, right)))
    upper = sorted(int(name) for name in counts)
    return LengthHistogram(upper=tuple(upper), counts=tuple(counts[str(name)] for name in upper))
