"""Reading and writing of files by URI, with one interface for all stores."""

import errno
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from pyarrow import fs

from millrace.contracts.errors import BadInputError, StepError, TransientError
from millrace.storage import places, s3
from millrace.storage.writing import DirectFile, HdfsFile, LocalFile, WholeFile

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_CHUNK_BYTES = 1 << 20
_LOOKS = 5
_PLAIN = "!$&'()*+,;=@"  # with letters, digits and "_.-~", the characters that need no encoding in a URI's path


def locate(uri: str) -> tuple[fs.FileSystem, str]:
    """Return the file system and path of a URI: local files, S3, HDFS, or any other that fsspec supports.

    The path is percent-decoded for every store. Raises BadInputError for an unknown scheme and for a path with ``..``,
    RefusedError if this process may not open the place (see places).
    """
    _refuse_way_out(uri)
    parts = urlsplit(uri)
    match parts.scheme:
        case "file":
            return fs.LocalFileSystem(), unquote(parts.path)
        case "s3":
            return s3.file_system(uri), s3.path_of(uri)
        case "hdfs":
            from millrace.storage import hdfs  # importing fsspec and its client takes a tenth of a second

            return hdfs.file_system(uri), hdfs.path_of(uri)
    try:
        import fsspec

        other, path = fsspec.core.url_to_fs(uri)
    except (ImportError, ValueError) as error:
        raise BadInputError(
            f"no file system for this URI ({error})",
            where=uri,
            rule="a URI's scheme is one that Millrace or fsspec knows",
            remedy="use file://, s3://, hdfs:// or install the scheme's fsspec package in the image",
        ) from error
    return fs.PyFileSystem(fs.FSSpecHandler(other)), path


def _refuse_way_out(uri: str) -> None:
    places.check(uri)
    if ".." in unquote(urlsplit(uri).path).split("/"):
        raise BadInputError(
            "a path leads out of its folder", where=uri, rule="no '..' in a path", remedy="give the full path"
        )


def to_uri(path: str | os.PathLike[str]) -> str:
    """Return a local path as a URI."""
    return Path(path).resolve().as_uri()


def local_path(uri: str) -> Path:
    """Return the local path of a ``file://`` URI. Raises BadInputError for any other scheme."""
    parts = urlsplit(uri)
    if parts.scheme != "file":
        raise BadInputError(
            f"{parts.scheme}:// is not local", where=uri, rule="this needs a local file", remedy="use a file:// URI"
        )
    return Path(unquote(parts.path))


def join(uri: str, *names: str) -> str:
    """Return a URI below ``uri``, the names percent-encoded. Raises BadInputError for a name that is no file name."""
    for name in names:
        if not name or name in {".", ".."} or any(sign in name for sign in "/\\\0?#:"):
            raise BadInputError(
                f"{name!r} cannot be a file name",
                where=uri,
                rule="one name that every store can hold, without '/', '..', ':' or NUL",
                remedy="rename it",
            )
    return "/".join([uri.rstrip("/"), *(quote(name, safe=_PLAIN) for name in names)])


def exists(uri: str) -> bool:
    """Whether a file or folder exists."""
    system, path = locate(uri)
    return bool(system.get_file_info(path).type != fs.FileType.NotFound)


def size_bytes(uri: str) -> int:
    """Return a file's size. Raises FileNotFoundError."""
    system, path = locate(uri)
    info = system.get_file_info(path)
    if info.type != fs.FileType.File:
        raise FileNotFoundError(uri)
    return int(info.size)


def names(uri: str) -> list[str]:
    """Return the names directly below a folder, sorted; none if there is no folder."""
    system, path = locate(uri)
    return sorted(info.base_name for info in _listed(system, fs.FileSelector(path, allow_not_found=True)))


def sizes(uri: str) -> dict[str, int | None]:
    """Return the size of each file directly below a folder, by name; None for folders, empty if there is no folder."""
    system, path = locate(uri)
    found = _listed(system, fs.FileSelector(path, allow_not_found=True))
    return {info.base_name: int(info.size or 0) if info.type == fs.FileType.File else None for info in found}


@dataclass(frozen=True)
class Stored:
    """A file below a folder: its path there as names, its size, and its time of modification if the store has one."""

    names: tuple[str, ...]
    size_bytes: int
    written_at: datetime | None


def walk(uri: str) -> Iterator[Stored]:
    """Yield every file below a folder, in no order; none if there is no folder."""
    system, path = locate(uri)
    for info in _listed(system, fs.FileSelector(path, recursive=True, allow_not_found=True)):
        if info.type == fs.FileType.File:
            below = info.path[len(path) :].strip("/")
            yield Stored(tuple(below.split("/")), int(info.size or 0), info.mtime)


def _listed(system: fs.FileSystem, selector: fs.FileSelector) -> list[fs.FileInfo]:
    """List a folder; if it appears or disappears meanwhile, list it again, five times in all."""
    for _ in range(_LOOKS - 1):
        with suppress(FileNotFoundError):
            return list(system.get_file_info(selector))
    return list(system.get_file_info(selector))


def read_bytes(uri: str, limit: int = 64 << 20) -> bytes:
    """Read a whole small file. Raises BadInputError if it exceeds ``limit`` bytes, and FileNotFoundError."""
    data = _read(uri, limit + 1)
    if len(data) > limit:
        raise BadInputError(
            "the file is too large", where=uri, rule=f"at most {limit:,} bytes", remedy="check what wrote it"
        )
    return data


def _read(uri: str, at_most: int) -> bytes:
    if urlsplit(uri).scheme == "s3":
        from millrace.storage import uploads

        _refuse_way_out(uri)
        return uploads.read(uri, at_most)
    system, path = locate(uri)
    with system.open_input_stream(path) as stream:
        return bytes(stream.read(at_most))


def write_bytes(uri: str, data: bytes) -> None:
    """Write a file atomically: a reader sees the old one or the new one, never a part. Raises storage_full's errors."""
    with writing(uri) as stream:
        stream.write(data)


def write_new(uri: str, data: bytes) -> bool:
    """Write a file atomically and exclusively; return False, and change nothing, if it exists already.

    Of several concurrent calls exactly one returns True: on local files, HDFS, and an S3 that honours the condition
    (see probe.py). Raises storage_full's errors.
    """
    try:
        with writing(uri, replace=False) as stream:
            stream.write(data)
    except FileExistsError:
        return False
    return True


def put_file(path: Path, uri: str) -> None:
    """Copy a local file to a URI, streamed; it appears complete or not at all. Raises storage_full's errors."""
    with path.open("rb") as source, writing(uri) as sink:
        while piece := source.read(_CHUNK_BYTES):
            sink.write(piece)


@contextmanager
def writing(uri: str, *, replace: bool = True) -> Iterator[Any]:
    """Context manager of a byte stream to a file, which appears complete if the block succeeds, else not at all.

    Stores other than local files, HDFS and S3 show the file while it is written (see writing.DirectFile). Raises
    storage_full's errors; without ``replace``, FileExistsError if the file exists.
    """
    try:
        file = open_whole(uri)
        try:
            yield file.stream
        except BaseException:
            file.discard()
            raise
        file.publish(replace=replace)
    except FileExistsError:
        raise
    except OSError as error:
        raise storage_full(uri, error) from error


def open_whole(uri: str) -> WholeFile:
    """Return an atomic file writer for the URI's store; its failures are OSErrors."""
    system, path = locate(uri)
    match urlsplit(uri).scheme:
        case "file":
            return LocalFile(system, path)
        case "hdfs":
            return HdfsFile(system, path)
        case "s3":
            from millrace.storage.uploads import S3File  # importing botocore takes a third of a second

            return S3File(uri)
    return DirectFile(system, path)


def delete(uri: str) -> None:
    """Delete a file; a missing one is no error."""
    system, path = locate(uri)
    if system.get_file_info(path).type == fs.FileType.File:
        system.delete_file(path)


def delete_folder(uri: str) -> None:
    """Delete a folder with its contents; a missing one is no error."""
    system, path = locate(uri)
    if system.get_file_info(path).type == fs.FileType.Directory:
        system.delete_dir(path)


def is_full(error: OSError) -> bool:
    """Whether the error means that a disk or a quota is full."""
    return error.errno in _FULL or "No space left" in str(error)


def storage_full(uri: str, error: OSError) -> StepError:
    """Return the error of a failed write: BadInputError if the disk or a quota is full, else TransientError."""
    rule = "the store takes the file whole, or nothing is published"
    if is_full(error):
        return BadInputError(
            f"no room: {error}", where=uri, rule=rule, remedy="free space or raise the quota, then clear the task"
        )
    return TransientError(
        f"cannot write: {error}", where=uri, rule=rule, remedy="the task is retried; if that fails, look at the store"
    )


def chunks(uri: str) -> Iterator[bytes]:
    """Yield a file's bytes in pieces of 1 MiB, not decompressed."""
    system, path = locate(uri)
    with system.open_input_stream(path, compression=None) as stream:
        while piece := stream.read(_CHUNK_BYTES):
            yield piece


def sha256(uri: str) -> str:
    """Return the SHA-256 of a file's bytes, streamed."""
    digest = hashlib.sha256()
    for piece in chunks(uri):
        digest.update(piece)
    return digest.hexdigest()
