"""Features of every number type, up to the edges of float32, from the table to the exported model."""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pytest
from deltalake import write_deltalake

from millrace.contracts.data import Column, DatasetVersion, Target
from millrace.contracts.errors import BadInputError
from millrace.contracts.run_spec import EvaluateTask, ExportTask, RunSpec, TrainTask
from millrace.scoring.scorer import Scorer
from millrace.step.main import Stop
from millrace.storage import files
from millrace_train.encode import number_matrix
from millrace_train.evaluate import evaluate
from millrace_train.export import export
from millrace_train.rows import read_rows, select_rows
from millrace_train.train import train

MakeSpec: TypeAlias = Callable[..., RunSpec]
WriteTable: TypeAlias = Callable[..., DatasetVersion]
MakeExportTask: TypeAlias = Callable[..., ExportTask]
MakeRows: TypeAlias = Callable[[int], list[dict[str, Any]]]

# in the table, of the declared type, from a row's number and whether it is of the second label
FEATURES: dict[str, tuple[pa.DataType, str, Callable[[int, bool], Any]]] = {
    "small": (pa.int8(), "int8", lambda n, high: n % 5 + 100 * high),
    "byte": (pa.int16(), "uint8", lambda n, high: n % 5 + 250 * high),
    "long": (pa.int64(), "int64", lambda n, high: (2**63 - 1 - n) * (1 if high else -1)),
    "longest": (pa.decimal128(20, 0), "uint64", lambda n, high: Decimal(2**64 - 1 - n if high else n)),
    "money": (pa.decimal128(38, 10), "decimal(38,10)", lambda n, high: Decimal(n).scaleb(-10) + 10 * high),
    "single": (pa.float32(), "float32", lambda n, high: n * 0.5 + 1e6 * high),
    "huge": (pa.float64(), "float64", lambda n, high: (3.4028234e38 - n * 1e31) * (1 if high else -1)),
    "tiny": (pa.float64(), "float64", lambda n, high: 1e-45 * (n % 3) * high),
    "flag": (pa.bool_(), "bool", lambda n, high: high),
}  # fmt: skip


@pytest.fixture
def version(make_number_rows: MakeRows, tmp_path: Path) -> DatasetVersion:
    rows = [
        {"id": row["id"], "truth": index % 2, "split_": row["split_"], "partition_": row["partition_"]}
        | {name: value(index, index % 2 == 1) for name, (_, _, value) in FEATURES.items()}
        for index, row in enumerate(make_number_rows(300))
    ]
    own = [("id", pa.int64()), ("truth", pa.int8()), ("split_", pa.string()), ("partition_", pa.date32())]
    schema = pa.schema([*((name, kind) for name, (kind, _, _) in FEATURES.items()), *own])
    uri = files.to_uri(tmp_path / "table")
    write_deltalake(uri, pa.Table.from_pylist(rows, schema=schema), partition_by=["partition_"])
    return DatasetVersion(workload="tiny", uri=uri, version=0, until=rows[0]["partition_"])


@pytest.mark.parametrize("names", [[name] for name in FEATURES] + [list(FEATURES)], ids=lambda names: "+".join(names))
def test_a_model_is_trained_exported_and_judged(
    number_spec: MakeSpec, version: DatasetVersion, names: list[str], export_task: MakeExportTask
) -> None:
    def make(task: Any) -> RunSpec:
        spec = number_spec(task, epochs=4)
        columns = [Column(name=name, type=declared) for name, (_, declared, _) in FEATURES.items()]
        dataset = spec.workload.dataset.model_copy(
            update={
                "columns": (Column(name="id", type="int64"), Column(name="truth", type="int8"), *columns),
                "features": tuple(names),
                "target": Target(column="truth", kind="single_label", labels=("0", "1")),
            }
        )
        return spec.model_copy(update={"workload": spec.workload.model_copy(update={"dataset": dataset})})

    trained = train(make(TrainTask(dataset=version, base_model=None)), Stop())
    assert trained is not None
    assert np.isfinite(trained.losses).all()
    exported = export(make(export_task(version, None, trained)), Stop())
    assert exported.export_error <= exported.export_tolerance
    judged = evaluate(
        make(EvaluateTask(dataset=version, candidate=exported.model, live=None, latency_requests=5)), Stop()
    )
    if names != ["tiny"]:  # which no float32 of all libraries can tell from zero
        assert judged.candidate.micro_f1 == 1.0
        assert judged.baseline is not None
        assert judged.baseline.micro_f1 == 1.0
    # the service makes of a row's values what training made of the table's
    scorer = Scorer.load(exported.model)
    test = select_rows(version, "test", "id")
    for batch, _ in read_rows(test, names):
        columns = {name: batch.column(index).to_pylist() for index, name in enumerate(names)}
        np.testing.assert_array_equal(scorer.prepare(columns).given, number_matrix(batch, tuple(names), "here"))


@pytest.mark.parametrize("value", [3.41e38, -1e300, float("nan"), float("inf"), None])
def test_what_is_no_number_of_32_bits_is_named_before_training(
    number_spec: MakeSpec, write_table: WriteTable, make_number_rows: MakeRows, value: float | None
) -> None:
    rows = make_number_rows(100)
    rows[7]["x"] = value
    version = write_table(rows)
    with pytest.raises(BadInputError, match="column 'x'"):
        train(number_spec(TrainTask(dataset=version, base_model=None)), Stop())


def test_a_column_that_is_younger_than_a_file_is_null_there(
    write_table: WriteTable, make_number_rows: MakeRows
) -> None:
    from deltalake import DeltaTable, Schema

    rows = make_number_rows(60)
    version = write_table(rows)
    table = DeltaTable(version.uri)
    table.alter.add_columns(list(Schema.from_arrow(pa.schema([("more", pa.float32())])).fields))
    newer = [row | {"id": 1000 + row["id"], "more": 0.5} for row in rows]
    write_deltalake(version.uri, pa.Table.from_pylist(newer), mode="append", schema_mode="merge")
    version = version.model_copy(update={"version": DeltaTable(version.uri).version()})
    found: dict[int, float | None] = {}
    for batch, _ in read_rows(select_rows(version, "train", "id"), ["more", "id"]):
        assert batch.schema.names == ["more", "id"]
        found |= {row["id"]: row["more"] for row in batch.to_pylist()}
    assert found == {row["id"]: row.get("more") for row in [*rows, *newer] if row["split_"] == "train"}
