"""Whatever Parquet is taken is what pyarrow's reader gives: 100,000 rows of every type, and damaged files."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from millrace.storage import files
from millrace_data.schema import source_schema
from tests.images.data.corpus.case import Case
from tests.images.data.corpus.parquet_arrivals import COLUMNS, table, written
from tests.images.data.corpus.trial import Trial

FILES, ROWS = 8, 12_500
DAMAGED_FILES = 300


@pytest.mark.parametrize("number", range(FILES))
def test_generated_rows_arrive_as_pyarrow_reads_them(number: int, tmp_path: Path) -> None:
    made = table(f"rows {number}", ROWS)
    data = written(made, f"options {number}")
    trial = Trial(Case("generated", "parquet", data, columns=COLUMNS), tmp_path)
    trial.deliver()
    staged = trial.stage()
    assert staged.rows == ROWS
    found = pq.read_table(files.local_path(staged.file_uri)).select([column.name for column in COLUMNS])
    expected = pq.read_table(pa.BufferReader(data)).cast(source_schema(trial.dataset))
    for column in COLUMNS:
        assert found[column.name].equals(expected[column.name]), f"{column.name}: {made[column.name].type}"
    assert _signs(found["size"]) == _signs(expected["size"])


def _signs(column: pa.ChunkedArray) -> list[str]:
    return list(map(repr, column.to_pylist()))


def test_damaged_files_are_refused_or_arrive_as_pyarrow_reads_them(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.images.data.corpus.damaged_parquet", str(tmp_path), str(DAMAGED_FILES)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[4]), *filter(None, sys.path)])},
        capture_output=True,
        text=True,
        check=False,
    )
    told = [json.loads(line) for line in done.stdout.splitlines()]
    outcomes = Counter(line["outcome"] for line in told if "outcome" in line)
    assert done.returncode == 0, f"it ended with {done.returncode} at {told[-1:]}\n{done.stderr[-2000:]}\n{outcomes}"
    wrong = [line for line in told if "outcome" in line and line["outcome"] not in {"refused", "equal"}]
    assert not wrong, f"{wrong[:10]}\n… {len(wrong)} in all; {outcomes}"
    assert min(outcomes["refused"], outcomes["equal"]) > DAMAGED_FILES // 30, (
        f"the damage is all of one kind: {outcomes}"
    )
