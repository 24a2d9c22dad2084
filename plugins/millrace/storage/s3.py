"""S3, configured by the standard AWS variables, optionally with a bucket's name as a suffix.

``AWS_ENDPOINT_URL__ARCHIVE_2026=…`` is for the bucket ``archive-2026`` only: two underscores and the bucket's name in
capitals, with an underscore for each other character. So a run can read from one S3 and write to another.
"""

import os
import re
from dataclasses import dataclass, field
from functools import cache
from urllib.parse import unquote, urlsplit

from pyarrow import fs

from millrace.contracts.errors import BadInputError

CONNECT_SECONDS = 10.0
REQUEST_SECONDS = 60.0
_ENCRYPTIONS = ("", "AES256", "aws:kms", "aws:kms:dsse")


@dataclass(frozen=True)
class Access:
    """Endpoint, credentials and options of a bucket. Without keys, each library uses its default credential chain."""

    endpoint: str
    region: str
    ca_file: str
    virtual_hosted: bool
    encryption: str
    encryption_key: str
    access_key: str = field(default="", repr=False)
    secret_key: str = field(default="", repr=False)
    session_token: str = field(default="", repr=False)


def access(bucket: str) -> Access:
    """Read a bucket's access from the environment. Raises BadInputError for an invalid endpoint or encryption."""
    endpoint = _endpoint(bucket)
    if endpoint and (urlsplit(endpoint).scheme not in ("http", "https") or not urlsplit(endpoint).netloc):
        raise BadInputError(
            "the S3 endpoint is no URL",
            where=f"AWS_ENDPOINT_URL, bucket {bucket}",
            rule="http:// or https:// and a host",
            remedy="set it to something like https://s3.example.org",
        )
    encryption = _variable("AWS_SERVER_SIDE_ENCRYPTION", bucket)
    if encryption not in _ENCRYPTIONS:
        raise BadInputError(
            f"no such encryption: {encryption}",
            where=f"AWS_SERVER_SIDE_ENCRYPTION, bucket {bucket}",
            rule=f"one of {', '.join(_ENCRYPTIONS[1:])}",
            remedy="correct it, or leave it out where the bucket encrypts by itself",
        )
    return Access(
        endpoint=endpoint,
        region=_variable("AWS_REGION", bucket) or _variable("AWS_DEFAULT_REGION", bucket) or "us-east-1",
        ca_file=os.environ.get("AWS_CA_BUNDLE", ""),
        # path style by default with an endpoint: Ceph's gateways need it without DNS of their own
        virtual_hosted=(_variable("AWS_VIRTUAL_HOSTED_STYLE_REQUEST", bucket) or str(not endpoint)).lower() == "true",
        encryption=encryption,
        encryption_key=_variable("AWS_SSE_KMS_KEY_ID", bucket),
        **_keys(bucket),
    )


def grant(
    uri: str, *, access_key: str, secret_key: str, session_token: str = "", endpoint: str = "", region: str = ""
) -> None:
    """Set the credentials of a URI's bucket in this process's environment; child processes inherit them.

    Empty values leave the environment unchanged.
    """
    given = {
        "AWS_ACCESS_KEY_ID": access_key,
        "AWS_SECRET_ACCESS_KEY": secret_key,
        "AWS_SESSION_TOKEN": session_token,
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_REGION": region,
    }
    suffix = _suffix(bucket_and_key(uri)[0])
    os.environ.update({f"{name}__{suffix}": value for name, value in given.items() if value})


def _endpoint(bucket: str) -> str:
    names = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
    of_bucket = (os.environ.get(f"{name}__{_suffix(bucket)}") for name in names)
    return next(filter(None, (*of_bucket, *map(os.environ.get, names))), "")


def _keys(bucket: str) -> dict[str, str]:
    suffix = f"__{_suffix(bucket)}" if f"AWS_ACCESS_KEY_ID__{_suffix(bucket)}" in os.environ else ""
    names = {
        "access_key": "AWS_ACCESS_KEY_ID",
        "secret_key": "AWS_SECRET_ACCESS_KEY",
        "session_token": "AWS_SESSION_TOKEN",
    }
    return {name: os.environ.get(variable + suffix, "") for name, variable in names.items()}


def _variable(name: str, bucket: str) -> str:
    return os.environ.get(f"{name}__{_suffix(bucket)}", os.environ.get(name, ""))


def _suffix(bucket: str) -> str:
    return re.sub(r"[^A-Z0-9]", "_", bucket.upper())


def file_system(uri: str) -> fs.FileSystem:
    """Return the S3 file system that the environment names for this URI's bucket: for reading, listing and deleting.

    Files are written by uploads.py. Raises BadInputError.
    """
    return _file_system(access(bucket_and_key(uri)[0]))


def path_of(uri: str) -> str:
    """Return the path BUCKET/KEY of an ``s3://`` URI for pyarrow. Raises BadInputError without a bucket."""
    path = unquote(uri.removeprefix("s3://")).rstrip("/")
    if not path.partition("/")[0]:
        raise BadInputError(
            "there is no bucket in this URI", where=uri, rule="s3://BUCKET/KEY", remedy="name the bucket"
        )
    return path


def bucket_and_key(uri: str) -> tuple[str, str]:
    """Return bucket and key of an ``s3://`` URI. Raises BadInputError without a bucket."""
    bucket, _, key = path_of(uri).partition("/")
    return bucket, key


def delta_options(uri: str) -> dict[str, str] | None:
    """Return delta-rs's storage options, which add to the environment that it reads itself; None for another store.

    Concurrent commits depend on conditional PUT of a new log entry, which the store must honour. The options contain
    keys: pass them to delta-rs only. delta-rs takes CAs from SSL_CERT_FILE only, which is set for this process.
    """
    if not uri.startswith("s3://"):
        return None
    bucket, _ = bucket_and_key(uri)
    reach = access(bucket)
    if reach.ca_file:
        os.environ["SSL_CERT_FILE"] = reach.ca_file
    options = {
        "aws_region": reach.region,
        "aws_conditional_put": "etag",
        # delta-rs expects an endpoint whose host is already the bucket's
        "aws_endpoint": reach.endpoint.replace("://", f"://{bucket}." if reach.virtual_hosted else "://", 1),
        "aws_allow_http": "true" if reach.endpoint.startswith("http://") else "",
        "aws_virtual_hosted_style_request": str(reach.virtual_hosted).lower(),
        "aws_access_key_id": reach.access_key,
        "aws_secret_access_key": reach.secret_key,
        "aws_session_token": reach.session_token,
        "aws_server_side_encryption": reach.encryption,
        "aws_sse_kms_key_id": reach.encryption_key,
    }
    return {name: value for name, value in options.items() if value}


@cache
def _file_system(reach: Access) -> fs.FileSystem:
    if reach.endpoint:
        # Ceph's and other gateways refuse the checksum trailers that the AWS libraries send by default.
        os.environ.setdefault("AWS_REQUEST_CHECKSUM_CALCULATION", "when_required")
        os.environ.setdefault("AWS_RESPONSE_CHECKSUM_VALIDATION", "when_required")
    options: dict[str, str | bool] = {}
    if reach.endpoint:
        parts = urlsplit(reach.endpoint)
        options |= {"endpoint_override": parts.netloc + parts.path, "scheme": parts.scheme}
        options |= {"force_virtual_addressing": reach.virtual_hosted}
    if reach.access_key:
        options |= {"access_key": reach.access_key, "secret_key": reach.secret_key}
        options |= {"session_token": reach.session_token} if reach.session_token else {}
    if reach.ca_file:
        options |= {"tls_ca_file_path": reach.ca_file}
    return fs.S3FileSystem(
        region=reach.region, connect_timeout=CONNECT_SECONDS, request_timeout=REQUEST_SECONDS, **options
    )
