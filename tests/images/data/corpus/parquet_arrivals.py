"""Parquet files out of a seed: every declared type, each in the types of Arrow that lose nothing in it."""

import io
import random
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from millrace.contracts.data import Column
from tests.images.data.corpus.case import ID, LABEL, LABELS
from tests.images.data.corpus.generated import integer, number, text

COLUMNS = (
    ID,
    Column(name="text", type="string"),
    Column(name="count", type="int64", nullable=True),
    Column(name="small", type="int16", nullable=True),
    Column(name="large", type="uint64", nullable=True),
    Column(name="size", type="float64", nullable=True),
    Column(name="weight", type="float32", nullable=True),
    Column(name="amount", type="decimal(22,3)", nullable=True),
    Column(name="day", type="date", nullable=True),
    Column(name="moment", type="timestamp", nullable=True),
    Column(name="blob", type="binary", nullable=True),
    Column(name="tags", type="list<string>", nullable=True),
    Column(name="marks", type="list<list<int64>>", nullable=True),
    Column(name="known", type="bool", nullable=True),
    LABEL,
)
ZONES = ("UTC", "Europe/Berlin", "-08:00")
CODECS = ("none", "snappy", "gzip", "zstd", "lz4", "brotli")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Make = Callable[[random.Random], Any]


def table(seed: str, rows: int) -> pa.Table:
    """A table of COLUMNS, whose types differ from seed to seed."""
    random_ = random.Random(seed)
    arrays = [pa.array(range(rows), random_.choice((pa.int32(), pa.int64(), pa.uint32())))]
    arrays += [_array(make, kind, rows, random_, complete) for make, kind, complete in _values(random_)]
    return pa.table(arrays, names=[column.name for column in COLUMNS])


def _values(random_: random.Random) -> list[tuple[Make, pa.DataType, bool]]:
    width = random_.choice((8, 16, 32, 64))
    unit = random_.choice(("s", "ms", "us", "ns"))
    step = {"s": 10**6, "ms": 10**3, "us": 1, "ns": 1}[unit]
    strings = random_.choice((pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())))
    binaries = random_.choice((pa.binary(), pa.large_binary(), pa.binary_view()))
    decimals = random_.choice((pa.decimal128(21, 2), pa.decimal128(22, 3), pa.decimal256(21, 2)))
    lists = random_.choice((pa.list_(pa.string()), pa.large_list(pa.large_string())))
    last_year = 2250 if unit == "ns" else 9000

    def moment(r: random.Random) -> datetime:
        return EPOCH + timedelta(
            microseconds=r.randrange(-(10**15), (last_year - 1970) * 31_000_000 * 10**6) // step * step
        )

    return [
        (text, strings, True),
        (lambda r: integer(r) >> (64 - width), getattr(pa, f"int{width}")(), False),
        (lambda r: r.choice((0, 1, 255, r.randrange(256))), random_.choice((pa.uint8(), pa.int16())), False),
        (lambda r: r.choice((0, 2**64 - 1, 2**63, r.randrange(2**64))), pa.uint64(), False),
        (number, pa.float64(), False),
        (lambda r: r.choice((0.0, -0.0, 0.5, 3.4028234663852886e38, r.uniform(-1, 1))), pa.float32(), False),
        (lambda r: Decimal(r.randrange(-(10**19) + 1, 10**19)).scaleb(-2), decimals, False),
        (
            lambda r: date(r.randrange(1, 9999), r.randrange(1, 13), r.randrange(1, 29)),
            random_.choice((pa.date32(), pa.date64())),
            False,
        ),
        (moment, pa.timestamp(unit, random_.choice(ZONES)), False),
        (lambda r: r.randbytes(r.randrange(12)), binaries, False),
        (lambda r: [text(r)[:20] for _ in range(r.randrange(4))], lists, False),
        (
            lambda r: [[integer(r) for _ in range(r.randrange(3))] for _ in range(r.randrange(3))],
            pa.list_(pa.list_(pa.int64())),
            False,
        ),
        (lambda r: r.random() < 0.5, pa.bool_(), False),
        (lambda r: r.choice(LABELS), random_.choice((pa.string(), pa.dictionary(pa.int8(), pa.string()))), True),
    ]


def _array(make: Make, kind: pa.DataType, rows: int, random_: random.Random, complete: bool) -> pa.Array:
    values = [None if not complete and random_.random() < 0.1 else make(random_) for _ in range(rows)]
    if pa.types.is_dictionary(kind):
        return pa.array(values, kind.value_type).dictionary_encode().cast(kind)
    return pa.array(values, kind)


def written(found: pa.Table, seed: str, **options: Any) -> bytes:
    """The table as a Parquet file, written in one of many ways."""
    random_ = random.Random(seed)
    sink = io.BytesIO()
    chosen: dict[str, Any] = {
        "compression": random_.choice(CODECS),
        "row_group_size": random_.choice((7, 1000, 5000, 1 << 20))
        if found.num_rows < 1000
        else random_.choice((3000, 1 << 20)),
        "use_dictionary": random_.random() < 0.5,
        "data_page_version": random_.choice(("1.0", "2.0")),
        "version": random_.choice(("2.4", "2.6")),
        "data_page_size": random_.choice((512, 1 << 20)),
        "write_statistics": random_.random() < 0.5,
        "store_schema": random_.random() < 0.7,
    }
    pq.write_table(found, sink, **(chosen | options))
    return sink.getvalue()
