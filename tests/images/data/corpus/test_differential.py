"""Whatever is taken is what Python's csv or json gives: 100,000 rows a dialect, and thousands of damaged files."""

import random
from pathlib import Path

import pytest

from millrace.contracts.data import Dialect
from millrace.contracts.errors import BadInputError, StepError
from tests.images.data.corpus import delimited_reference, json_reference
from tests.images.data.corpus.case import SEPARATORS, SPARK_DIALECT, Case, Row
from tests.images.data.corpus.delimited_reference import NoFileError, Record
from tests.images.data.corpus.generated import TEXT_COLUMNS, text_rows
from tests.images.data.corpus.json_reference import NAMES
from tests.images.data.corpus.mutation import mutated
from tests.images.data.corpus.trial import Trial, quarantined_lines, staged_rows
from tests.images.data.corpus.written import as_delimited, as_json_lines

FILES, ROWS = 4, 25_000
DAMAGED_FILES, DAMAGED_ROWS = 400, 20
BEARING = 0.999
KINDS: dict[str, tuple[str, Dialect]] = {
    "csv": ("csv", Dialect()),
    "csv with escapes": ("csv", Dialect(escape="\\")),
    "csv of Spark": ("csv", SPARK_DIALECT),
    "tsv": ("tsv", Dialect()),
    "tsv without quotes": ("tsv", Dialect(quote=None)),
    "jsonl": ("jsonl", Dialect()),
}
STEADY = (b"\xff", b"\r", b",", b"\t", b"\xef\xbb\xbf", b"x", b"\0", b" ", b"\n")


def written(kind: str, rows: list[Row], random_: random.Random) -> bytes:
    source_format, dialect = KINDS[kind]
    if source_format == "jsonl":
        return as_json_lines(rows, random_)
    return as_delimited(rows, dialect, SEPARATORS[source_format], random_)


def reference(kind: str, data: bytes) -> list[Record]:
    source_format, dialect = KINDS[kind]
    if source_format == "jsonl":
        found = json_reference.records(data)
    else:
        found = delimited_reference.records(data, dialect, SEPARATORS[source_format], NAMES)
    return delimited_reference.by_label(found)


def tried(kind: str, data: bytes, folder: Path, share: float = BEARING) -> tuple[list[Row], set[int]] | BadInputError:
    """The rows and the lines kept aside; the error where the file is refused. Any other error is a failure."""
    source_format, dialect = KINDS[kind]
    dataset = {"extra_columns": "drop"} if source_format == "jsonl" else {}
    case = Case("generated", source_format, data, columns=TEXT_COLUMNS, dialect=dialect, dataset=dataset)
    trial = Trial(case, folder, share=share)
    trial.deliver()
    try:
        staged = trial.stage()
    except BadInputError as error:
        return error
    return staged_rows(staged), quarantined_lines(staged)


def differences(expected: list[Record], rows: list[Row], bad: set[int]) -> list[str]:
    """Where what was taken and what was kept aside are not the reference's."""
    found = []
    for record in expected:
        if record.line in bad and record.row is not None and not record.may_be_bad:
            found.append(f"line {record.line} is kept aside and is {record.row!r}")
        if record.line not in bad and record.row is None:
            found.append(f"line {record.line} is no row and was taken")
    if unknown := bad - {record.line for record in expected}:
        found.append(f"no record begins on the lines {sorted(unknown)}")
    wanted = [record.row for record in expected if record.row is not None and record.line not in bad]
    if list(map(repr, rows)) != list(map(repr, wanted)):
        pairs = zip(rows, wanted, strict=False)
        first = next((pair for pair in pairs if repr(pair[0]) != repr(pair[1])), (len(rows), len(wanted)))
        found.append(f"{len(rows)} rows and {len(wanted)} of the reference differ first in {first!r}")
    return found


@pytest.mark.parametrize("number", range(FILES))
@pytest.mark.parametrize("kind", KINDS)
def test_generated_rows_arrive_as_the_reference_reads_them(kind: str, number: int, tmp_path: Path) -> None:
    seed = f"{kind} {number}"
    data = written(kind, text_rows(seed, ROWS), random.Random(seed))
    found = tried(kind, data, tmp_path)
    assert not isinstance(found, BadInputError), found
    assert not differences(reference(kind, data), *found)


@pytest.mark.parametrize("kind", KINDS)
def test_large_files_with_a_few_bytes_put_in_arrive_as_the_reference_reads_them(kind: str, tmp_path: Path) -> None:
    random_ = random.Random(kind)
    data = bytearray(written(kind, text_rows(f"steady {kind}", ROWS), random_))
    for _ in range(30):
        at = random_.randrange(data.index(b"\n") + 1, len(data))
        if bytes(data[at - 1 : at]) not in {b"\\", b'"'}:
            data[at:at] = random_.choice(STEADY)
    found = tried(kind, bytes(data), tmp_path)
    try:
        expected = reference(kind, bytes(data))
    except NoFileError:
        assert isinstance(found, BadInputError)
        return
    assert not isinstance(found, BadInputError), found
    assert not differences(expected, *found)


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_files_are_refused_or_arrive_as_the_reference_reads_them(kind: str, tmp_path: Path) -> None:
    wrong: list[str] = []
    outcomes = {"taken": 0, "refused": 0}
    for number in range(DAMAGED_FILES):
        random_ = random.Random(f"{kind} {number}")
        sound = written(kind, text_rows(f"damaged {kind} {number}", DAMAGED_ROWS), random_)
        begin = 0 if kind == "jsonl" or number % 10 == 0 else sound.index(b"\n") + 1
        data = mutated(sound, random_, begin, random_.choice((1, 1, 2, 3)))
        folder = tmp_path / str(number)
        folder.mkdir()
        told = _told(kind, data, folder, outcomes)
        wrong += [f"file {number}: {each}" for each in told]
    assert not wrong, "\n".join(wrong[:10]) + f"\n… {len(wrong)} in all; {outcomes}"
    assert min(outcomes.values()) > DAMAGED_FILES // 100, f"the damage is all of one kind: {outcomes}"


def _told(kind: str, data: bytes, folder: Path, outcomes: dict[str, int]) -> list[str]:
    """What is wrong with the outcome of one file, strictly and leniently read."""
    try:
        expected = reference(kind, data)
    except NoFileError:
        expected = None
    try:
        lenient, strict = tried(kind, data, folder), tried(kind, data, folder, share=0)
    except Exception as error:
        if isinstance(error, StepError):
            raise
        return [f"{type(error).__name__}: {error}"]
    outcomes["refused" if isinstance(lenient, BadInputError) else "taken"] += 1
    wrong = []
    for how, found in (("lenient", lenient), ("strict", strict)):
        if isinstance(found, BadInputError):
            continue
        if expected is None:
            wrong.append(f"{how}: taken, though no record can be told")
        else:
            wrong += [f"{how}: {each}" for each in differences(expected, *found)]
    if isinstance(lenient, BadInputError) and expected is not None and not _may_be_refused(expected, lenient):
        wrong.append(f"refused: {lenient.what} {lenient.where[-30:]}")
    return wrong


def _may_be_refused(expected: list[Record], error: BadInputError) -> bool:
    if any(record.row is None and record.may_be_bad for record in expected):
        return True
    good = [record for record in expected if record.row is not None and not record.may_be_bad]
    return not good or len(good) < (1 - BEARING) * len(expected) or "by its first bytes" in error.what
