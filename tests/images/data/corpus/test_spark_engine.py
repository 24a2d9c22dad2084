"""What was staged is committed as it is, whoever judges it; and Spark's own CSV arrives as Spark reads it."""

import importlib.util
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable

from millrace.contracts.report import ValidateResult
from millrace.contracts.run_spec import RunSpec, ValidateTask
from millrace.step.main import Stop
from millrace_data.schema import source_schema
from millrace_data.validate import validate
from tests.images.data.corpus.case import ID, LABEL, SPARK_DIALECT, TEXT, Case, Row
from tests.images.data.corpus.catalogue import CASES
from tests.images.data.corpus.generated import text
from tests.images.data.corpus.trial import Trial, equal, staged_rows

PYSPARK = pytest.mark.skipif(importlib.util.find_spec("pyspark") is None, reason="this environment has no PySpark")
ENGINES = ("arrow", pytest.param("spark", marks=PYSPARK))
CHOSEN = {
    ("quoting", "csv"): "a quote, a separator and a line end",
    ("encodings", "tsv"): "the text '😀'",
    ("dialects", "csv"): "Hive's own: escaped separators and line ends",
    ("json_objects", "jsonl"): "an escaped NUL",
    ("integers", "csv"): "int64: '9223372036854775807'",
    ("bounds", "jsonl"): "an id of 19 digits and a bound of its own",
    ("bounds", "parquet"): "unsigned integers at their edge",
    ("duplicates", "csv"): "nulls are not equal",
    ("duplicates", "jsonl"): "lists that are cut otherwise",
    ("parquet_types", "parquet"): "timestamp[ns, UTC] of whole microseconds as timestamp",
    ("parquet_files", "parquet"): "written with a row group for each row",
    ("line_ends", "csv"): "a CR in a text",
}
WRITTEN_ROWS = 3_000
TRIMMED = "".join(map(chr, range(0x21)))


def chosen() -> list[object]:
    found = {(theme, case.format, case.name): case for theme, case in CASES}
    return [
        pytest.param(found[theme, kind, name], id=f"{theme}-{name}-{kind}") for (theme, kind), name in CHOSEN.items()
    ]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("case", chosen())
def test_what_was_staged_is_committed_row_by_row(
    case: Case, engine: Any, make_spec: Callable[..., RunSpec], tmp_path: Path
) -> None:
    trial = Trial(case, tmp_path, case.endings[0], share=0.9)
    staged = trial.check()
    assert staged is not None
    table_uri = (tmp_path / "table").as_uri()
    task = ValidateTask(staged=(staged,), dataset_uri=table_uri, live_profile=None, base_model=None, engine=engine)
    result = validate(make_spec(trial.dataset, task, "validate"), Stop())
    assert isinstance(result, ValidateResult)
    assert all(outcome.success for outcome in result.outcomes)
    names = [column.name for column in case.columns]
    table = DeltaTable(table_uri).to_pyarrow_dataset().to_table(columns=names).sort_by("id")
    table = table.cast(source_schema(trial.dataset))  # Delta has no unsigned integers
    found = list(zip(*(table[name].to_pylist() for name in names), strict=True))
    expected = sorted(case.rows, key=lambda row: row[0])
    assert len(found) == len(expected)
    assert all(map(equal, found, expected)), f"{found} is not {expected}"


def spark_texts() -> list[Row]:
    """Texts that Spark writes without losing anything: it takes blanks and control signs off their ends."""
    random_ = random.Random("Spark")
    found = [text(random_) for _ in range(WRITTEN_ROWS)]
    return [(number, value.strip(TRIMMED), random_.choice(("yes", "no"))) for number, value in enumerate(found)]


@PYSPARK
def test_what_spark_writes_arrives_as_spark_reads_it(tmp_path: Path) -> None:
    from millrace_data.on_spark import Spark

    rows = spark_texts()
    schema = "id long, text string, label string"
    with Spark(2**32) as spark:
        frame = spark.session.createDataFrame(rows, schema).coalesce(1)
        frame.write.options(header="true").csv((tmp_path / "written").as_uri())
        [part] = (tmp_path / "written").glob("*.csv")
        options: dict[str, Any] = {"header": "true", "multiLine": "true"}
        back = spark.session.read.options(**options).schema(schema).csv(part.as_uri()).collect()
    read = [(row.id, row.text or "", row.label) for row in back]
    case = Case("written by Spark", "csv", part.read_bytes(), columns=(ID, TEXT, LABEL), dialect=SPARK_DIALECT)
    trial = Trial(case, tmp_path)
    trial.deliver()
    found = staged_rows(trial.stage())
    assert len(found) == len(rows)
    assert found == read
    assert found == rows
