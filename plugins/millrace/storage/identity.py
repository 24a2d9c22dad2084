"""Identity of a file from the store's metadata: if it is equal before and after reading, the file did not change."""

import errno
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote, urlsplit

from pyarrow import fs

from millrace.storage import files

_MARKS = ("etag", "ETag", "generation", "version_id", "mtime", "last_modified", "LastModified", "updated", "created")


@dataclass(frozen=True)
class Identity:
    """A file's metadata at one moment.

    ``mark`` is from the store: an object's ETag and version, or a file's time of modification. ``whole`` is True if the
    store's files appear complete and never grow. ``place`` is a local file's inode number, since another file may have
    replaced it under the same name.
    """

    size_bytes: int
    mark: str
    written_at: datetime | None
    whole: bool = False
    place: int = 0

    @property
    def text(self) -> str:
        """The identity as stored in the ledger and in reports; if it differs, the file was changed."""
        return f"{self.size_bytes} bytes, {self.mark}"


def identity(uri: str) -> Identity:
    """Return the file's current identity. Raises FileNotFoundError if there is no file, also if it is a folder."""
    match urlsplit(uri).scheme:
        case "s3":
            from millrace.storage import uploads  # importing botocore takes a third of a second

            return _of_object(uploads.head(uri))
        case "file":
            return _of_local(uri)
    system, path = files.locate(uri)
    info = system.get_file_info(path)
    if info.type != fs.FileType.File:
        raise FileNotFoundError(errno.ENOENT, "there is no such file", uri)
    return Identity(int(info.size), _mark(system, path, info), info.mtime)


def _of_object(head: dict[str, Any]) -> Identity:
    written = head["LastModified"]
    version = f", version {head['VersionId']}" if head.get("VersionId") else ""
    mark = f"ETag {head['ETag']} of {written.isoformat()}{version}"
    return Identity(int(head["ContentLength"]), mark, written, whole=True)


def _of_local(uri: str) -> Identity:
    path = files.local_path(uri)
    found = path.stat()
    if not path.is_file():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), unquote(uri))
    written = datetime.fromtimestamp(found.st_mtime, UTC)
    return Identity(found.st_size, f"modified {found.st_mtime_ns} ns", written, place=found.st_ino)


def _mark(system: fs.FileSystem, path: str, info: fs.FileInfo) -> str:
    if info.mtime is not None:
        return f"modified {info.mtime_ns} ns"
    handler = getattr(system, "handler", None)
    known = handler.fs.info(path) if isinstance(handler, fs.FSSpecHandler) else {}
    return ", ".join(f"{name} {known[name]}" for name in _MARKS if known.get(name)) or "no time of modification"
