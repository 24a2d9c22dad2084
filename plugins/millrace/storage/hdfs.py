"""HDFS without a JVM, configured only by Hadoop's own variables and files.

``HADOOP_CONF_DIR`` names the folder of core-site.xml and hdfs-site.xml (high availability, security, retry times),
``HADOOP_USER_NAME`` the user if security is simple; Kerberos takes KRB5CCNAME or KRB5_CLIENT_KTNAME and needs
libgssapi, a delegation token takes HADOOP_TOKEN_FILE_LOCATION. delta-rs reads the same.
"""

import errno
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from hdfs_native.fsspec import HdfsFileSystem
from pyarrow import fs

from millrace.contracts.errors import BadInputError

_QUOTA = "QuotaExceeded"
# MIT Kerberos, "Credential cache file format"
_CACHE_VERSIONS = [bytes((5, version)) for version in (1, 2, 3, 4)]


def file_system(uri: str) -> fs.FileSystem:
    """Return the HDFS of a NameNode (``host:port``) or a nameservice of hdfs-site.xml as a pyarrow file system.

    Raises BadInputError if the URI names neither, and if KRB5CCNAME names a file that is no credential cache. All
    errors of HDFS are OSErrors.
    """
    place = urlsplit(uri).netloc
    if not place:
        raise BadInputError(
            "no NameNode is named", where=uri, rule="hdfs://HOST:PORT/PATH", remedy="name the NameNode or nameservice"
        )
    _check_credential_cache()
    # not fsspec's own parsing of the URI, which converts a nameservice's name to lower case
    return fs.PyFileSystem(fs.FSSpecHandler(_Hdfs(host=place)))


def _check_credential_cache() -> None:
    # with another file, delta-rs's libkrb5 frees a principal that was never read, and the process ends by a signal
    cache = Path(os.environ.get("KRB5CCNAME", "").removeprefix("FILE:"))
    if not cache.is_file():  # no cache yet, or a cache of another kind
        return
    with cache.open("rb") as stream:
        version = stream.read(2)
    if version not in _CACHE_VERSIONS:
        raise BadInputError(
            "KRB5CCNAME names a file that is no Kerberos credential cache",
            where=str(cache),
            rule="a credential cache begins with the byte 5 and its version, 1 to 4",
            remedy="get tickets with kinit -c and name that file, or unset KRB5CCNAME where HDFS has no Kerberos",
        )


def path_of(uri: str) -> str:
    """Return the path of an ``hdfs://`` URI."""
    return unquote(urlsplit(uri).path).rstrip("/") or "/"


def rename(system: fs.FileSystem, source: str, target: str, *, replace: bool) -> None:
    """Rename a file atomically over an existing target; without ``replace``, an existing one is a FileExistsError."""
    client = system.handler.fs.client
    with _as_os_errors():
        client.rename(source, target, replace)


@contextmanager
def _as_os_errors() -> Iterator[None]:
    # hdfs-native raises RuntimeError for each error without a Python equivalent
    try:
        yield
    except OSError as error:
        error.args = (str(error).partition("\n")[0],)  # without the NameNode's stack trace
        raise
    except RuntimeError as error:
        first_line = str(error).partition("\\n")[0]
        raise OSError(errno.EDQUOT if _QUOTA in first_line else errno.EIO, first_line) from error


class _Hdfs(HdfsFileSystem):
    """The file system of hdfs-native whose failures are OSErrors."""

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        # a path is not a URI: it may contain ";", "?" and "#"
        return path if path.startswith("/") else str(super()._strip_protocol(path))

    info = _as_os_errors()(HdfsFileSystem.info)
    ls = _as_os_errors()(HdfsFileSystem.ls)
    mkdir = _as_os_errors()(HdfsFileSystem.mkdir)
    rm = _as_os_errors()(HdfsFileSystem.rm)

    def _convert_file_status(self, file_status: Any) -> dict[str, Any]:  # noqa: ANN401
        # under the name that pyarrow reads
        written = {"mtime": file_status.modification_time / 1000}
        return super()._convert_file_status(file_status) | written

    def _open(self, path: str, mode: str = "rb", **options: Any) -> Any:  # type: ignore[override]  # noqa: ANN401
        buffered = options.pop("block_size", None)  # buffer size for a reader, HDFS's block size for a writer
        with _as_os_errors():
            stream = _Stream(super()._open(path, mode, **options))
        return io.BufferedReader(stream, buffered or self.blocksize) if mode == "rb" else stream


class _Stream(io.RawIOBase):
    """A file of hdfs-native whose failures are OSErrors."""

    def __init__(self, stream: Any) -> None:  # noqa: ANN401 - its reader or its writer
        self._stream = stream

    def readable(self) -> bool:
        return bool(self._stream.readable())

    def writable(self) -> bool:
        return bool(self._stream.writable())

    def seekable(self) -> bool:
        return bool(self._stream.seekable())

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        self._stream.seek(offset, whence)
        return self.tell()

    def tell(self) -> int:
        return int(self._stream.tell())

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - any buffer
        with _as_os_errors():
            data = self._stream.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def write(self, data: Any) -> int:  # noqa: ANN401 - any buffer
        # hdfs-native reads pyarrow's buffers byte by byte, 25 times slower
        with _as_os_errors(), memoryview(data) as view:
            return int(self._stream.write(view.tobytes()))

    def close(self) -> None:
        """Close once; a writer's file is then complete."""
        if not self.closed:
            super().close()
            with _as_os_errors():
                self._stream.close()
