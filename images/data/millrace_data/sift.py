"""A text file without the rows that cannot be read, which are kept aside with the reason of each."""

import json
from collections.abc import Iterator
from types import TracebackType
from typing import Self

from millrace.contracts.data import Dataset
from millrace.contracts.errors import BadInputError
from millrace.storage import files
from millrace_data import delimited, json_lines
from millrace_data.lines import row_limit_bytes
from millrace_data.streams import Readable

_EXAMPLES = 5


class Sieve:
    """Lets the rows of a JSON Lines, CSV or TSV file through that are rows of the declared columns and types.

    The others go into ``uri``, JSON Lines with ``line``, ``what``, ``rule`` and the row's ``text``: it is there when
    the ``with`` block was left without an exception and there was one. No log and no error has a row's content.
    """

    def __init__(self, source_uri: str, dataset: Dataset, uri: str) -> None:
        self.uri = uri
        self.block_bytes = row_limit_bytes(dataset)
        self.kept_aside = 0
        self._source_uri = source_uri
        self._dataset = dataset
        self._examples: list[str] = []

    def __enter__(self) -> Self:
        self._file = files.open_whole(self.uri)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None and self.kept_aside:
            self._file.publish()
        else:
            self._file.discard()

    def over(self, text: Readable) -> Readable:
        """The same text without the rows that are kept aside; reading raises BadInputError where none can be told."""
        sift = json_lines.sift if self._dataset.source.format == "jsonl" else delimited.sift
        return _Pieces(self._good(sift(text, self._source_uri, self._dataset)), text)

    def refuse_too_many(self, rows: int) -> None:
        """Raises BadInputError, with the first positions, where more than the declared share was kept aside."""
        share = self.kept_aside / (rows + self.kept_aside)
        if share > self._dataset.max_bad_rows_share:
            raise BadInputError(
                f"{self.kept_aside:,} of {rows + self.kept_aside:,} rows cannot be read: {'; '.join(self._examples)}",
                where=self._source_uri,
                rule=f"at most a share of {self._dataset.max_bad_rows_share:g} (max_bad_rows_share)",
                remedy="correct the file, or raise the share in the workload",
            )

    def _good(self, rows: Iterator[tuple[int, bytes, BadInputError | None]]) -> Iterator[bytes]:
        for number, text, error in rows:
            if error is None:
                yield text
                continue
            self.kept_aside += 1
            if len(self._examples) < _EXAMPLES:
                self._examples.append(f"{error.what} ({error.where.removeprefix(self._source_uri).lstrip(', ')})")
            aside = {"line": number, "what": error.what, "rule": error.rule, "text": text.decode(errors="replace")}
            self._file.stream.write(json.dumps(aside, ensure_ascii=False).encode() + b"\n")


class _Pieces:
    def __init__(self, pieces: Iterator[bytes], stream: Readable) -> None:
        self._pieces = pieces
        self._stream = stream
        self._rest = b""

    def read(self, size: int, /) -> bytes:
        while len(self._rest) < size and (piece := next(self._pieces, None)) is not None:
            self._rest += piece
        data, self._rest = self._rest[:size], self._rest[size:]
        return data

    def close(self) -> None:
        self._stream.close()
