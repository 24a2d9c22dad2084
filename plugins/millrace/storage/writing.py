"""Atomic file writers: a file appears under its final name complete, or not at all."""

import contextlib
import os
import secrets
from pathlib import Path
from typing import Any, Protocol

from pyarrow import fs

PART_ENDING = ".part"


class WholeFile(Protocol):
    """Atomic file writer: ``stream`` takes the bytes, and only ``publish`` makes them visible under the file's name.

    Both methods close the stream, and every failure is an OSError.
    """

    stream: Any

    def publish(self, *, replace: bool = True) -> None:
        """Make the file visible under its name. Without ``replace``, raises FileExistsError if the name exists."""

    def discard(self) -> None:
        """Remove all that was written."""


def part_name(name: str) -> str:
    """Return a unique name for an incomplete file: hidden, with an ending by which the sweep finds it."""
    return f".{name}.{secrets.token_hex(4)}{PART_ENDING}"


class LocalFile:
    """Writer of a local file: written beside its final place, synchronised to disk, then renamed."""

    def __init__(self, system: fs.LocalFileSystem, path: str) -> None:
        self._path = Path(path)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._part = self._path.with_name(part_name(self._path.name))
        self.stream = system.open_output_stream(str(self._part), compression=None)

    def publish(self, *, replace: bool = True) -> None:
        """See WholeFile."""
        try:
            self.stream.close()
            with self._part.open("rb") as part:
                os.fsync(part.fileno())
            if replace:
                self._part.replace(self._path)
            else:
                self._path.hardlink_to(self._part)
        finally:
            self._part.unlink(missing_ok=True)

    def discard(self) -> None:
        """See WholeFile."""
        with contextlib.suppress(OSError):
            self.stream.close()
        self._part.unlink(missing_ok=True)


class HdfsFile:
    """Writer of an HDFS file: written beside its final place, then renamed; the NameNode decides between several."""

    def __init__(self, system: fs.FileSystem, path: str) -> None:
        self._system = system
        self._path = path
        folder, _, name = path.rpartition("/")
        self._part = f"{folder}/{part_name(name)}"
        self.stream = system.open_output_stream(self._part, compression=None)

    def publish(self, *, replace: bool = True) -> None:
        """See WholeFile."""
        from millrace.storage import hdfs

        try:
            self.stream.close()
            hdfs.rename(self._system, self._part, self._path, replace=replace)
        except OSError:
            self.discard()
            raise

    def discard(self) -> None:
        """See WholeFile."""
        with contextlib.suppress(OSError):
            self.stream.close()
        with contextlib.suppress(OSError):
            self._system.delete_file(self._part)


class DirectFile:
    """Writer for all other stores, not atomic: written in its final place, and deleted if it is discarded."""

    def __init__(self, system: fs.FileSystem, path: str) -> None:
        self._system = system
        self._path = path
        self.stream = system.open_output_stream(path, compression=None)

    def publish(self, *, replace: bool = True) -> None:
        """See WholeFile; without ``replace``, raises OSError: such a store has no exclusive write."""
        if not replace:
            self.discard()
            raise OSError(f"{self._path}: this store has no exclusive write")
        self.stream.close()

    def discard(self) -> None:
        """See WholeFile."""
        with contextlib.suppress(OSError):
            self.stream.close()
        with contextlib.suppress(OSError):
            self._system.delete_file(self._path)
