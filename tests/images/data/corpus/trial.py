"""Delivers a case's file, has it staged, and holds what comes out against what was expected."""

import gzip
import json
import math
import re
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from millrace.contracts.data import Dataset, Source, Split, StagedPartition, Target
from millrace.contracts.errors import BadInputError
from millrace.step.main import Stop
from millrace.storage import files
from millrace_data.ingest import stage_partition
from millrace_data.schema import source_schema
from tests.images.data.corpus.case import LABELS, Bad, Case, Refused, Row

DAY = date(2026, 1, 1)
LONGEST_ERROR = 4_000
SECRET = b"s3cret"
"""Where a case's bad row holds this, no error may."""


def compressed(content: bytes, ending: str) -> bytes:
    """The content as a file with that ending has it."""
    if ending == ".gz":
        return gzip.compress(content, 1, mtime=0)
    return pa.Codec("zstd").compress(content, asbytes=True) if ending == ".zst" else content


@dataclass(frozen=True)
class Trial:
    """A case in a folder of its own, under one ending, with a share of bad rows that is borne."""

    case: Case
    folder: Path
    ending: str = ""
    share: float = 0

    @property
    def dataset(self) -> Dataset:
        fields: dict[str, Any] = {
            "source": Source(
                uri_template=f"{self.folder.as_uri()}/{{partition}}.{self.case.format}{self.ending}",
                format=self.case.format,
                dialect=self.case.dialect,
                quiet_seconds=0,
            ),
            "columns": self.case.columns,
            "features": (self.case.columns[1].name,),
            "target": Target(column="label", kind="single_label", labels=LABELS),
            "split": Split(key="id"),
            "max_bad_rows_share": self.share,
        }
        return Dataset(**(fields | dict(self.case.dataset)))

    @property
    def uri(self) -> str:
        return self.dataset.source.uri(DAY)

    @property
    def out_uri(self) -> str:
        return (self.folder / "out").as_uri()

    def deliver(self) -> None:
        """Put the file where the dataset says it is."""
        content = self.case.content if self.case.stored else compressed(self.case.content, self.ending)
        files.local_path(self.uri).write_bytes(content)

    def stage(self) -> StagedPartition:
        """What ingest makes of it. Raises what ingest raises."""
        staged = stage_partition(self.dataset, DAY, self.out_uri, Stop())
        assert staged is not None, "the file is there and was taken for missing"
        return staged

    def check(self) -> StagedPartition | None:
        """Stage it and compare; what was staged, or None where it was rightly refused."""
        self.deliver()
        refusal = expected_refusal(self.case, self.share)
        try:
            staged = self.stage()
        except BadInputError as error:
            self._check_error(error, refusal)
            return None
        assert refusal is None, f"taken, though it is to be refused ({refusal}):\n{_told(staged_rows(staged))}"
        self._check_staged(staged)
        return staged

    def _check_error(self, error: BadInputError, refusal: Refused | None) -> None:
        assert refusal is not None, f"refused, though it is sound:\n{error}"
        assert error.where.startswith(self.uri), f"where does not name the file: {error.where}"
        behind = error.where.removeprefix(self.uri)
        assert re.search(refusal.where, f"{behind}; {error.what}"), f"not at {refusal.where!r}:\n{error}"
        words = f"{error.what}\n{error.rule}\n{error.remedy}"
        assert re.search(refusal.says, words, re.IGNORECASE), f"does not say {refusal.says!r}:\n{error}"
        assert re.search(refusal.remedy, error.remedy, re.IGNORECASE), f"no remedy {refusal.remedy!r}:\n{error}"
        assert error.rule.strip(), f"no rule:\n{error}"
        assert error.remedy.strip(), f"no remedy:\n{error}"
        assert len(str(error)) < LONGEST_ERROR, f"an error of {len(str(error)):,} characters"
        assert SECRET.decode() not in str(error), "a row's value is in the error"
        assert files.names(self.out_uri) == [], "a refused file left something in staging"

    def _check_staged(self, staged: StagedPartition) -> None:
        case = self.case
        table = pq.read_table(files.local_path(staged.file_uri))
        declared = source_schema(self.dataset)
        assert table.schema.names[: len(declared)] == declared.names
        assert [table.schema.field(name).type for name in declared.names] == declared.types
        found = staged_rows(staged, len(declared))
        assert len(found) == len(case.rows), f"{len(found)} rows, not {len(case.rows)}:\n{_told(found)}"
        for number, (row, expected) in enumerate(zip(found, case.rows, strict=True), 1):
            assert equal(row, expected), f"row {number} is\n  {row!r}, not\n  {expected!r}"
        assert staged.rows == len(case.rows)
        assert staged.duplicates == case.duplicates
        assert staged.dropped_columns == case.dropped
        assert staged.bad_rows == len(case.bad)
        _check_quarantine(staged, case.bad)
        kept = {Path(staged.file_uri).name} | ({Path(staged.bad_rows_uri).name} if staged.bad_rows_uri else set())
        assert set(files.names(self.out_uri)) == kept, "staging holds other files than the reported ones"


def expected_refusal(case: Case, share: float) -> Refused | None:
    """How the case is refused by a source that bears that share of bad rows; None where it is taken."""
    if case.refused is not None:
        return case.refused
    if not case.bad or len(case.bad) <= share * (len(case.bad) + len(case.rows) + case.duplicates):
        return None
    first = case.bad[0]
    if share:
        total = len(case.bad) + len(case.rows) + case.duplicates
        return Refused(rf"\b{len(case.bad)} of {total} rows cannot be read", rf"line {first.line}\b")
    at = rf"line {first.line}\b" + (f".*{re.escape(repr(first.field))}" if first.field else "")
    return Refused(first.says, at)


def quarantined_lines(staged: StagedPartition) -> set[int]:
    """The lines of the rows that were kept aside."""
    return {row["line"] for row in _aside(staged)}


def _aside(staged: StagedPartition) -> list[dict[str, Any]]:
    if staged.bad_rows_uri is None:
        return []
    return [json.loads(line) for line in files.read_bytes(staged.bad_rows_uri).split(b"\n") if line]


def staged_rows(staged: StagedPartition, columns: int | None = None) -> list[Row]:
    """The rows of a staged file, in its columns' order."""
    table = pq.read_table(files.local_path(staged.file_uri))
    names = table.schema.names[: columns or len(table.schema.names) - 2]
    values = [table[name].to_pylist() for name in names]
    return list(zip(*values, strict=True)) if names else []


def equal(found: Any, expected: Any) -> bool:
    """Whether two values are the same one: 1 is not 1.0 nor True, -0.0 is not 0.0."""
    if type(found) is not type(expected):
        return False
    if isinstance(found, tuple | list):
        return len(found) == len(expected) and all(map(equal, found, expected))
    if isinstance(found, float):
        return found == expected and math.copysign(1, found) == math.copysign(1, expected)
    return bool(found == expected)


def _check_quarantine(staged: StagedPartition, bad: tuple[Bad, ...]) -> None:
    if not bad:
        assert staged.bad_rows_uri is None
        return
    assert staged.bad_rows_uri is not None
    aside = _aside(staged)
    assert [row["line"] for row in aside] == [each.line for each in bad]
    for row, each in zip(aside, bad, strict=True):
        assert re.search(each.says, f"{row['what']}\n{row['rule']}", re.IGNORECASE), (
            f"does not say {each.says!r}: {row}"
        )


def _told(rows: list[Row]) -> str:
    return "\n".join(map(repr, rows[:10]))
