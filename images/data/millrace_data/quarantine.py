"""Quarantine: a text file's unreadable rows, kept beside the staged file with line and reason."""

import json
from typing import Self

from millrace.contracts.data import Dataset
from millrace.contracts.errors import BadInputError
from millrace.storage import files
from millrace.storage.writing import WholeFile
from millrace_data.chunks import BadRow

_EXAMPLES = 5


class Quarantine:
    """Collects a day's unreadable rows up to ``max_bad_rows_share``; if that is 0, it raises the first row's error.

    The rows are written to ``uri`` as JSON Lines with ``line``, ``what``, ``rule`` and the row's ``text``. The file
    exists if there was such a row and the ``with`` block ended without an exception. Logs and errors contain no text of
    rows.
    """

    def __init__(self, source_uri: str, dataset: Dataset, uri: str) -> None:
        self.uri = uri
        self.rows = 0
        self._source_uri = source_uri
        self._share = dataset.max_bad_rows_share
        self._examples: list[str] = []
        self._file: WholeFile | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._file is None:
            return
        if kind is not None:
            self._file.discard()
            return
        try:
            self._file.publish()
        except OSError as failure:
            raise files.storage_full(self.uri, failure) from failure

    def take(self, rows: tuple[BadRow, ...]) -> None:
        """Keep rows. Raises the first row's BadInputError if the workload allows none, and storage_full's errors."""
        if not rows:
            return
        if not self._share:
            raise rows[0].error
        for row in rows:
            self.rows += 1
            if len(self._examples) < _EXAMPLES:
                place = row.error.where.removeprefix(self._source_uri).lstrip(", ")
                self._examples.append(f"{row.error.what} ({place})")
        try:
            self._write(rows)
        except OSError as failure:
            raise files.storage_full(self.uri, failure) from failure

    def _write(self, rows: tuple[BadRow, ...]) -> None:
        if self._file is None:
            self._file = files.open_whole(self.uri)
        for row in rows:
            kept = {
                "line": row.line,
                "what": row.error.what,
                "rule": row.error.rule,
                "text": row.text.decode(errors="replace"),
            }
            self._file.stream.write(json.dumps(kept, ensure_ascii=False).encode() + b"\n")

    def refuse_too_many(self, good_rows: int) -> None:
        """Raise BadInputError, with five rows' reasons and positions, if the share exceeds the declared one."""
        if self.rows and self.rows / (good_rows + self.rows) > self._share:
            raise BadInputError(
                f"{self.rows:,} of {good_rows + self.rows:,} rows cannot be read: {'; '.join(self._examples)}",
                where=self._source_uri,
                rule=f"at most a share of {self._share:g} (max_bad_rows_share)",
                remedy="correct the file, or raise the share in the workload",
            )
