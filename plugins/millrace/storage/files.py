"""Reading and writing by URI, so that no caller knows which store it is."""

import errno
import hashlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pyarrow as pa
from pyarrow import fs

from millrace.contracts.errors import BadInputError, StepError, TransientError
from millrace.storage import s3

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_CHUNK_BYTES = 1 << 20


def locate(uri: str) -> tuple[fs.FileSystem, str]:
    """The file system and path behind a URI: pyarrow's own first, any other that fsspec knows after it.

    Raises BadInputError for a scheme that neither knows and for a path with ``..``.
    """
    if ".." in unquote(urlsplit(uri).path).split("/"):
        raise BadInputError(
            "a path leads out of its folder", where=uri, rule="no '..' in a path", remedy="give the full path"
        )
    if uri.startswith("s3://"):
        return s3.file_system(), s3.path_of(uri)
    try:
        system, path = fs.FileSystem.from_uri(uri)
        return system, path
    except pa.ArrowInvalid:
        pass
    try:
        import fsspec

        other, path = fsspec.core.url_to_fs(uri)
    except (ImportError, ValueError) as error:
        raise BadInputError(
            f"no file system for this URI ({error})",
            where=uri,
            rule="a URI's scheme is one that pyarrow or fsspec knows",
            remedy="use file://, s3://, hdfs:// or install the scheme's fsspec package in the image",
        ) from error
    return fs.PyFileSystem(fs.FSSpecHandler(other)), path


def to_uri(path: str | os.PathLike[str]) -> str:
    """A local path as a URI."""
    return Path(path).resolve().as_uri()


def local_path(uri: str) -> Path:
    """The local path of a ``file://`` URI. Raises BadInputError for any other scheme."""
    parts = urlsplit(uri)
    if parts.scheme != "file":
        raise BadInputError(
            f"{parts.scheme}:// is not local", where=uri, rule="this needs a local file", remedy="use a file:// URI"
        )
    return Path(unquote(parts.path))


def join(uri: str, *names: str) -> str:
    """A URI below ``uri``. Raises BadInputError for a name that leads elsewhere."""
    for name in names:
        if not name or name in {".", ".."} or any(sign in name for sign in "/\\\0?#"):
            raise BadInputError(
                f"{name!r} cannot be a file name",
                where=uri,
                rule="one name, without '/', '..' or NUL",
                remedy="rename it",
            )
    return "/".join([uri.rstrip("/"), *names])


def exists(uri: str) -> bool:
    """Whether a file or folder is there."""
    system, path = locate(uri)
    return bool(system.get_file_info(path).type != fs.FileType.NotFound)


def size_bytes(uri: str) -> int:
    """A file's size. Raises FileNotFoundError."""
    system, path = locate(uri)
    info = system.get_file_info(path)
    if info.type != fs.FileType.File:
        raise FileNotFoundError(uri)
    return int(info.size)


def names(uri: str) -> list[str]:
    """The names directly below a folder, sorted; none where there is no folder."""
    system, path = locate(uri)
    found = system.get_file_info(fs.FileSelector(path, allow_not_found=True))
    return sorted(info.base_name for info in found)


def read_bytes(uri: str, limit: int = 64 << 20) -> bytes:
    """A small file whole. Raises BadInputError past ``limit`` bytes and FileNotFoundError."""
    system, path = locate(uri)
    with system.open_input_stream(path) as stream:
        data: bytes = stream.read(limit + 1)
    if len(data) > limit:
        raise BadInputError(
            "the file is too large", where=uri, rule=f"at most {limit:,} bytes", remedy="check what wrote it"
        )
    return data


def write_bytes(uri: str, data: bytes) -> None:
    """Put a whole file; a reader sees the old one or the new one, never a part. Raises no_room's errors."""
    system, path = locate(uri)
    try:
        if isinstance(system, fs.LocalFileSystem):
            _write_local(Path(path), data)
        else:
            with system.open_output_stream(path) as stream:
                stream.write(data)
    except OSError as error:
        raise no_room(uri, error) from error


def put_file(path: Path, uri: str) -> None:
    """Copy a local file to a URI, streamed; seen whole or not at all. Raises no_room's errors."""
    system, target = locate(uri)
    # an object appears when its upload is complete; a local file has to be renamed
    part = f"{target}.part" if isinstance(system, fs.LocalFileSystem) else target
    try:
        if isinstance(system, fs.LocalFileSystem):
            Path(target).parent.mkdir(parents=True, exist_ok=True)
        with path.open("rb") as source, system.open_output_stream(part) as sink:
            while piece := source.read(_CHUNK_BYTES):
                sink.write(piece)
        if part != target:
            system.move(part, target)
    except OSError as error:
        raise no_room(uri, error) from error


def _write_local(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with part.open("wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def delete(uri: str) -> None:
    """Remove a file; one that is not there is no error."""
    system, path = locate(uri)
    if system.get_file_info(path).type == fs.FileType.File:
        system.delete_file(path)


def no_room(uri: str, error: OSError) -> StepError:
    """The error of a write that failed: BadInputError where the disk or a quota is full, TransientError otherwise."""
    rule = "the store takes the file whole, or nothing is published"
    if error.errno in _FULL or "No space left" in str(error):
        return BadInputError(
            f"no room: {error}", where=uri, rule=rule, remedy="free space or raise the quota, then clear the task"
        )
    return TransientError(
        f"cannot write: {error}", where=uri, rule=rule, remedy="the task is retried; if that fails, look at the store"
    )


def chunks(uri: str) -> Iterator[bytes]:
    """A file's bytes in pieces of a MiB, undecompressed."""
    system, path = locate(uri)
    with system.open_input_stream(path, compression=None) as stream:
        while piece := stream.read(_CHUNK_BYTES):
            yield piece


def sha256(uri: str) -> str:
    """The digest of a file's bytes, streamed."""
    digest = hashlib.sha256()
    for piece in chunks(uri):
        digest.update(piece)
    return digest.hexdigest()
