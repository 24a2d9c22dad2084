"""Stages damaged Parquet files one after the other and says of each how it ended; a program, since pyarrow may crash.

``python -m tests.images.data.corpus.damaged_parquet FOLDER COUNT`` prints a line of JSON before and behind each file.
"""

import json
import random
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from millrace.contracts.errors import BadInputError, StepError
from millrace.storage import files
from millrace_data.schema import source_schema
from tests.images.data.corpus.case import Case
from tests.images.data.corpus.mutation import mutated
from tests.images.data.corpus.parquet_arrivals import COLUMNS, table, written
from tests.images.data.corpus.trial import Trial

ROWS = 30


def damaged(number: int) -> tuple[bytes, bool]:
    """A file's bytes, and whether its pages have checksums."""
    random_ = random.Random(f"parquet {number}")
    checked = random_.random() < 0.5
    sound = written(table(f"parquet {number % 20}", ROWS), f"{number}", write_page_checksum=checked)
    return mutated(sound, random_, 4, random_.choice((1, 1, 2))), checked


def outcome(number: int, folder: Path) -> str:
    """ "refused", "equal", "different" or another error's name."""
    data, checked = damaged(number)
    trial = Trial(Case("damaged", "parquet", data, columns=COLUMNS), folder)
    trial.deliver()
    try:
        staged = trial.stage()
    except BadInputError:
        return "refused"
    except Exception as error:
        return f"{type(error).__name__}: {error}"[:300] if not isinstance(error, StepError) else "another StepError"
    found = pq.read_table(files.local_path(staged.file_uri)).select([column.name for column in COLUMNS])
    try:
        expected = pq.read_table(pa.BufferReader(data), page_checksum_verification=checked)
        expected = expected.select(found.column_names).cast(source_schema(trial.dataset))
    except (pa.ArrowException, OSError) as error:
        return f"taken, and pyarrow refuses it: {error}"[:300]
    return "equal" if found.equals(expected) else "different"


def main() -> None:
    """Run and tell."""
    root, count = Path(sys.argv[1]), int(sys.argv[2])
    for number in range(count):
        folder = root / str(number)
        folder.mkdir()
        print(json.dumps({"begun": number}), flush=True)
        print(json.dumps({"number": number, "outcome": outcome(number, folder)}), flush=True)


if __name__ == "__main__":
    main()
