"""S3 as a pod or a laptop reaches it: the standard AWS variables, nothing of our own."""

import os
from functools import cache
from urllib.parse import unquote, urlsplit

from pyarrow import fs

from millrace.contracts.errors import BadInputError

_CONNECT_SECONDS = 10.0
_REQUEST_SECONDS = 60.0


def endpoint_url() -> str:
    """The S3 endpoint, empty for AWS's own. Raises BadInputError for one that is no http(s) URL."""
    url = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL", "")
    if url and (urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).netloc):
        raise BadInputError(
            "the S3 endpoint is no URL",
            where="AWS_ENDPOINT_URL",
            rule="http:// or https:// and a host",
            remedy="set it to something like https://s3.example.org",
        )
    return url


def file_system() -> fs.FileSystem:
    """The S3 that the environment names: AWS_ENDPOINT_URL(_S3), AWS_REGION, AWS_CA_BUNDLE and the usual credentials.

    Addressed by path where an endpoint is given, as Ceph's gateways are without DNS of their own.
    """
    return _file_system(endpoint_url(), _region(), os.environ.get("AWS_CA_BUNDLE", ""))


def path_of(uri: str) -> str:
    """Bucket and key of an ``s3://`` URI, as pyarrow names them. Raises BadInputError without a bucket."""
    path = unquote(uri.removeprefix("s3://")).rstrip("/")
    if not path.partition("/")[0]:
        raise BadInputError(
            "there is no bucket in this URI", where=uri, rule="s3://BUCKET/KEY", remedy="name the bucket"
        )
    return path


def delta_options(uri: str) -> dict[str, str] | None:
    """What delta-rs has to be told beside the environment it reads itself; None for another store.

    Commits race by conditional PUT of a new log entry, which the store must honour.
    """
    if not uri.startswith("s3://"):
        return None
    endpoint = endpoint_url()
    options = {"aws_region": _region(), "aws_conditional_put": "etag"}
    if endpoint:
        options |= {"aws_endpoint": endpoint, "aws_allow_http": str(endpoint.startswith("http://")).lower()}
    return options


def _region() -> str:
    return os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"


@cache
def _file_system(endpoint: str, region: str, ca_file: str) -> fs.FileSystem:
    if endpoint:
        # Ceph's and other gateways refuse the checksum trailers that the AWS libraries send by default.
        os.environ.setdefault("AWS_REQUEST_CHECKSUM_CALCULATION", "when_required")
        os.environ.setdefault("AWS_RESPONSE_CHECKSUM_VALIDATION", "when_required")
    parts = urlsplit(endpoint)
    place = {"endpoint_override": parts.netloc + parts.path, "scheme": parts.scheme} if endpoint else {}
    trust = {"tls_ca_file_path": ca_file} if ca_file else {}
    return fs.S3FileSystem(
        region=region, connect_timeout=_CONNECT_SECONDS, request_timeout=_REQUEST_SECONDS, **place, **trust
    )
