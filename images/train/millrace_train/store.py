"""Store of encoded rows in flat, memory-mapped files: written once, read in any order."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Self

import numpy as np
from numpy.typing import NDArray

INDEX_FILE = "store.json"


@dataclass(frozen=True)
class RowStore:
    """Read access to ``rows`` encoded rows.

    A text row is ``tokens[offsets[i] : offsets[i + 1]]`` (int32), a numeric row ``features[i]`` (float32). Targets
    are uint8 [rows, labels] or int32 [rows]; ``hashes`` are the CRC-32 of the rows' keys.
    """

    rows: int
    hashes: NDArray[np.uint32]
    targets: NDArray[Any]
    tokens: NDArray[np.int32] | None
    offsets: NDArray[np.int64] | None
    features: NDArray[np.float32] | None
    pad_id: int = 0

    def lengths(self) -> NDArray[np.int64]:
        """Return the number of tokens of each row; 0 for numeric rows."""
        if self.offsets is None:
            return np.zeros(self.rows, np.int64)
        return np.diff(self.offsets)


class RowWriter:
    """Writer of encoded rows into ``folder``; the store can be opened only after ``finish``."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._streams: dict[str, BinaryIO] = {}
        self._widths: dict[str, tuple[str, int | None]] = {}
        self._tokens = 0
        self._rows = 0

    def __enter__(self) -> Self:
        (self._folder / INDEX_FILE).unlink(missing_ok=True)
        return self

    def __exit__(self, *_: object) -> None:
        for stream in self._streams.values():
            stream.close()

    def add(
        self,
        hashes: NDArray[np.uint32],
        targets: NDArray[Any],
        tokens: Sequence[Sequence[int]] | None = None,
        features: NDArray[np.float32] | None = None,
    ) -> None:
        """Append rows, with either ``tokens`` or ``features``."""
        self._rows += len(hashes)
        self._append("hashes", hashes)
        self._append("targets", targets)
        if features is not None:
            self._append("features", features)
        if tokens is not None:
            ends = np.cumsum([len(row) for row in tokens], dtype=np.int64) + self._tokens
            self._append("ends", ends)
            self._append("tokens", np.fromiter((token for row in tokens for token in row), np.int32))
            self._tokens = int(ends[-1]) if len(ends) else self._tokens

    def finish(self, fingerprint: str, pad_id: int = 0) -> None:
        """Close the files, then write the index, which makes the store complete."""
        for stream in self._streams.values():
            stream.close()
        index = {"fingerprint": fingerprint, "rows": self._rows, "pad_id": pad_id, "arrays": self._widths}
        part = self._folder / f".{INDEX_FILE}.part"
        try:
            part.write_text(json.dumps(index))
            part.replace(self._folder / INDEX_FILE)
        finally:
            part.unlink(missing_ok=True)

    def _append(self, name: str, array: NDArray[Any]) -> None:
        if name not in self._streams:
            self._streams[name] = (self._folder / f"{name}.bin").open("wb")
            self._widths[name] = (array.dtype.str, array.shape[1] if array.ndim == 2 else None)
        self._streams[name].write(np.ascontiguousarray(array).tobytes())


def open_store(folder: Path, fingerprint: str) -> RowStore | None:
    """Open the complete store in ``folder``; None if there is none with that fingerprint and at least one row."""
    try:
        index = json.loads((folder / INDEX_FILE).read_text())
    except (FileNotFoundError, ValueError):
        return None
    if index["fingerprint"] != fingerprint or not index["rows"]:
        return None
    arrays = {name: _map(folder / f"{name}.bin", *kind) for name, kind in index["arrays"].items()}
    ends = arrays.get("ends")
    return RowStore(
        rows=index["rows"],
        hashes=arrays["hashes"],
        targets=arrays["targets"],
        tokens=arrays.get("tokens"),
        offsets=None if ends is None else np.concatenate([np.zeros(1, np.int64), ends]),
        features=arrays.get("features"),
        pad_id=index["pad_id"],
    )


def _map(path: Path, dtype: str, width: int | None) -> NDArray[Any]:
    flat = np.memmap(path, dtype=dtype, mode="r")
    return flat if width is None else flat.reshape(-1, width)
