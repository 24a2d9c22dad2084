"""Columns of every type and their bounds, judged by Spark as by one process."""

import datetime
import importlib.util
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from millrace.contracts.data import Column, Dataset, StagedPartition
from millrace.contracts.errors import BadInputError
from millrace.contracts.run_spec import RunSpec, ValidateTask
from millrace.step.main import Stop
from millrace.storage import files
from millrace_data.validate import validate

pytestmark = pytest.mark.skipif(importlib.util.find_spec("pyspark") is None, reason="this environment has no PySpark")

# declared, its bounds, two values within them and one that is not
TYPES: dict[str, tuple[str, dict[str, Any], tuple[Any, Any, Any]]] = {
    "i8": ("int8", {"minimum": -5}, (-5, 127, -6)),
    "i64": ("int64", {"minimum": 2**53 + 1}, (2**53 + 1, 2**63 - 1, 2**53)),
    "u8": ("uint8", {"maximum": 200}, (0, 200, 201)),
    "u32": ("uint32", {"maximum": 2**32 - 2}, (0, 2**32 - 2, 2**32 - 1)),
    "u64": ("uint64", {"maximum": 2**64 - 2}, (0, 2**64 - 2, 2**64 - 1)),
    "f32": ("float32", {"maximum": 0.1}, (0.1, -1.0, 0.5)),
    "f64": ("float64", {"maximum": 1e300}, (1e300, -1e308, 1.1e300)),
    "money": ("decimal(38,10)", {"minimum": 0.1}, (Decimal("0.1"), Decimal(10) ** 27, Decimal("0.0999999999"))),
    "raw": ("binary", {"max_length": 2}, (b"", b"\xff\x00", b"abc")),
    "days": ("list<date>", {"max_length": 1}, ([], [datetime.date(1, 1, 1)], [datetime.date(1, 1, 1)] * 2)),
}
PLAIN: dict[str, tuple[str, Any]] = {
    "flag": ("bool", True),
    "day": ("date", datetime.date(9999, 12, 31)),
    "at": ("timestamp", datetime.datetime(1, 1, 1, tzinfo=datetime.UTC)),
}


@pytest.mark.parametrize("nullable", [False, True])
def test_both_engines_find_the_same(
    number_dataset: Callable[..., Dataset], arrive: Callable[..., Path], stage: Callable[..., StagedPartition],
    make_spec: Callable[..., RunSpec], tmp_path: Path, nullable: bool,
) -> None:  # fmt: skip
    from millrace_data.schema import source_schema

    label = Column(name="species", type="string")
    id_ = Column(name="id", type="int64")

    def declare(*, bounded: bool) -> Dataset:
        columns = [
            Column(name=name, type=declared, nullable=nullable, **(limits if bounded else {}))
            for name, (declared, limits, _) in TYPES.items()
        ]
        more = [Column(name=name, type=declared, nullable=nullable) for name, (declared, _) in PLAIN.items()]
        return number_dataset("parquet", columns=(id_, label, *columns, *more), features=("id",))

    def outcomes(engine: Any, staged: StagedPartition) -> tuple[list[Any], str]:
        task = ValidateTask(
            staged=(staged,), dataset_uri=(tmp_path / engine).as_uri(), live_profile=None, base_model=None,
            engine=engine,
        )  # fmt: skip
        spec = make_spec(declare(bounded=True), task, f"validate-{engine}")
        try:
            result = validate(spec, Stop())
        except BadInputError as error:
            return [], error.what
        return [(outcome.column, outcome.detail, outcome.success) for outcome in result.outcomes], ""

    free = declare(bounded=False)
    for broken in (False, True):
        values = [{name: case[2][index] for name, case in TYPES.items()} for index in ((0, 1, 2) if broken else (0, 1))]
        values = [row | {name: value for name, (_, value) in PLAIN.items()} for row in values]
        values += [{}] if nullable else []
        rows = [{"id": number, "species": "xy"[number % 2]} | row for number, row in enumerate(values)]
        sink = pa.BufferOutputStream()
        pq.write_table(pa.Table.from_pylist(rows, schema=source_schema(free)), sink)
        arrive(free, sink.getvalue().to_pybytes())
        staged = stage(free)
        assert files.size_bytes(staged.file_uri)
        arrow, spark = outcomes("arrow", staged), outcomes("spark", staged)
        assert arrow == spark
        assert bool(arrow[1]) == broken
        if broken:
            assert arrow[1].startswith(f"{len(TYPES)} of ")
            assert all(f"column {name!r}: " in arrow[1] for name in TYPES)
