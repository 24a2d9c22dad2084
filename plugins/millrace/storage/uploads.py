"""S3 by botocore, where pyarrow lacks a function: aborting uploads, encryption, conditional PUT, ETags."""

import contextlib
import errno
import io
import os
import secrets
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from typing import Any
from urllib.parse import quote

import botocore.session
import pyarrow as pa
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, IncompleteReadError

from millrace.storage import s3

PART_BYTES = 8 << 20
_WAITING_PARTS = 2
_PARTS_OF_A_SIZE = 2000
_WRITER = "millrace-writer"
_READ_TRIES = 3


def client(uri: str) -> Any:  # noqa: ANN401 - botocore makes its classes at run time
    """Return botocore's client of the S3 that the environment names for this URI's bucket."""
    return _client(s3.access(s3.bucket_and_key(uri)[0]), os.getpid())


@cache
def _client(reach: s3.Access, _process: int) -> Any:  # noqa: ANN401 - a forked process makes its own connections
    return botocore.session.get_session().create_client(
        "s3",
        region_name=reach.region,
        endpoint_url=reach.endpoint or None,
        verify=reach.ca_file or True,
        aws_access_key_id=reach.access_key or None,
        aws_secret_access_key=reach.secret_key or None,
        aws_session_token=reach.session_token or None,
        config=Config(
            connect_timeout=s3.CONNECT_SECONDS,
            read_timeout=s3.REQUEST_SECONDS,
            retries={"mode": "standard", "total_max_attempts": 4},
            s3={"addressing_style": "virtual" if reach.virtual_hosted else "path"},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            ignore_configured_endpoint_urls=True,  # access() has chosen
        ),
    )


class S3File:
    """A writing.WholeFile in S3: a small file is one PUT, a larger one is uploaded in parts of 8 MiB and more.

    At most three parts are held in memory. Without ``replace``, only a file of one part can be written: not every S3
    supports the conditional completion of an upload.
    """

    def __init__(self, uri: str) -> None:
        self._client = client(uri)
        bucket, key = s3.bucket_and_key(uri)
        reach = s3.access(bucket)
        self._at = {"Bucket": bucket, "Key": key}
        asked = {"ServerSideEncryption": reach.encryption, "SSEKMSKeyId": reach.encryption_key}
        self._encryption = {name: value for name, value in asked.items() if value}
        self._writer = secrets.token_hex(8)
        self._parts = _Parts(self._client, self._at, self._encryption)
        self.stream = pa.PythonFile(self._parts, mode="w")

    def publish(self, *, replace: bool = True) -> None:
        """See writing.WholeFile."""
        try:
            if self._parts.upload is not None and replace:
                self._parts.complete()
            elif self._parts.upload is None:
                self._put(replace)
            else:
                raise OSError(errno.EFBIG, f"only {PART_BYTES:,} bytes can be put where nothing is")
        except BaseException:
            self.discard()
            raise

    def _put(self, replace: bool) -> None:
        condition = {} if replace else {"IfNoneMatch": "*"}
        body = bytes(self._parts.waiting)
        with _as_os_errors():
            try:
                self._client.put_object(
                    **self._at, **self._encryption, **condition, Body=body, Metadata={_WRITER: self._writer}
                )
            except ClientError as error:
                if _status(error) != 412:
                    raise
                if not self._is_ours():
                    raise FileExistsError(errno.EEXIST, "there is one already", self._at["Key"]) from error

    def _is_ours(self) -> bool:
        # A PUT whose response was lost is sent again, and then refused because the first one succeeded.
        return bool(self._client.head_object(**self._at)["Metadata"].get(_WRITER) == self._writer)

    def discard(self) -> None:
        """See writing.WholeFile; if the store does not answer, the sweep aborts the upload later."""
        self._parts.abort()


class _Parts(io.RawIOBase):
    """Stream that is uploaded in parts; the upload begins with the first full part."""

    def __init__(self, client: Any, at: dict[str, str], encryption: dict[str, str]) -> None:  # noqa: ANN401
        self._client = client
        self._at = at
        self._encryption = encryption
        self._sent: deque[Future[dict[str, Any]]] = deque()
        self._done: list[dict[str, Any]] = []
        self._pool = ThreadPoolExecutor(max_workers=_WAITING_PARTS, thread_name_prefix="upload")
        self.waiting = bytearray()
        self.upload: str | None = None

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:  # noqa: ANN401 - any buffer
        with memoryview(data) as view:
            self.waiting += view
            size = view.nbytes
        while len(self.waiting) >= (part := self._part_bytes()):
            with memoryview(self.waiting)[:part] as first:
                data = bytes(first)
            del self.waiting[:part]
            self._send(data)
        return size

    def complete(self) -> None:
        """Complete the upload: the object appears."""
        if self.waiting:
            self._send(bytes(self.waiting))
        self._settle(0)
        with _as_os_errors():
            self._client.complete_multipart_upload(
                **self._at, UploadId=self.upload, MultipartUpload={"Parts": self._done}
            )
        self._pool.shutdown()

    def abort(self) -> None:
        """Abort the upload and remove its parts."""
        self._pool.shutdown(cancel_futures=True)
        if self.upload is not None:
            with contextlib.suppress(BotoCoreError, ClientError):
                self._client.abort_multipart_upload(**self._at, UploadId=self.upload)

    def _part_bytes(self) -> int:
        # S3 takes 10,000 parts per upload: part sizes double every 2,000 parts, for half a terabyte in all
        return PART_BYTES << (len(self._done) + len(self._sent)) // _PARTS_OF_A_SIZE

    def _send(self, data: bytes) -> None:
        if self.upload is None:
            with _as_os_errors():
                answer = self._client.create_multipart_upload(**self._at, **self._encryption)
            self.upload = str(answer["UploadId"])
        self._settle(_WAITING_PARTS - 1)
        number = len(self._done) + len(self._sent) + 1
        self._sent.append(self._pool.submit(self._put, number, data))

    def _put(self, number: int, data: bytes) -> dict[str, Any]:
        answer = self._client.upload_part(**self._at, UploadId=self.upload, PartNumber=number, Body=data)
        return {"PartNumber": number, "ETag": answer["ETag"]}

    def _settle(self, at_most: int) -> None:
        while len(self._sent) > at_most:
            with _as_os_errors():
                self._done.append(self._sent.popleft().result())


def read(uri: str, at_most: int) -> bytes:
    """Read an object's first bytes in one request, so that they are of one version of it.

    pyarrow requests the size first, and truncates an object that a longer one replaced meanwhile. Raises
    FileNotFoundError and, if three responses broke off, OSError.
    """
    bucket, key = s3.bucket_and_key(uri)
    for _ in range(_READ_TRIES - 1):
        with contextlib.suppress(HTTPClientError, IncompleteReadError):
            return _read_once(uri, bucket, key, at_most)
    with _as_os_errors():
        return _read_once(uri, bucket, key, at_most)


def _read_once(uri: str, bucket: str, key: str, at_most: int) -> bytes:
    try:
        answer = client(uri).get_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if _status(error) == 404:
            raise FileNotFoundError(errno.ENOENT, "there is no such object", uri) from error
        raise OSError(errno.EIO, str(error)) from error
    with contextlib.closing(answer["Body"]) as body:
        data: bytes = body.read(at_most)
        if len(data) < at_most:
            body.read(1)  # raises IncompleteReadError if the response was short
        return data


def head(uri: str) -> dict[str, Any]:
    """Return S3's metadata of an object (HEAD request). Raises FileNotFoundError."""
    bucket, key = s3.bucket_and_key(uri)
    with _as_os_errors():
        try:
            return dict(client(uri).head_object(Bucket=bucket, Key=key))
        except ClientError as error:
            if _status(error) != 404:
                raise
            raise FileNotFoundError(errno.ENOENT, "there is no such object", uri) from error


def abandoned(uri: str) -> Iterator[tuple[str, str, Any]]:
    """Yield the incomplete uploads below a URI: URI, upload id and time of start."""
    bucket, prefix = s3.bucket_and_key(uri)
    with _as_os_errors():
        for page in client(uri).get_paginator("list_multipart_uploads").paginate(Bucket=bucket, Prefix=f"{prefix}/"):
            for upload in page.get("Uploads", ()):
                yield f"s3://{bucket}/{quote(upload['Key'])}", upload["UploadId"], upload["Initiated"]


def abort(uri: str, upload: str) -> None:
    """Abort an upload that ``abandoned`` yielded."""
    bucket, key = s3.bucket_and_key(uri)
    with _as_os_errors():
        client(uri).abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload)


def _status(error: ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


@contextlib.contextmanager
def _as_os_errors() -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        full = "QuotaExceeded" in str(error.response.get("Error", {}).get("Code", ""))
        raise OSError(errno.EDQUOT if full else errno.EIO, str(error)) from error
    except BotoCoreError as error:
        raise OSError(errno.EIO, str(error)) from error
