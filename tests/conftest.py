"""Settings that must stand before Airflow is imported anywhere."""

import os
import secrets
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

os.environ.setdefault("AIRFLOW_HOME", tempfile.mkdtemp(prefix="millrace-airflow-"))
os.environ.setdefault("AIRFLOW__CORE__LOAD_EXAMPLES", "False")

_BUCKET = os.environ.get("MILLRACE_TEST_BUCKET", "millrace-test")


@pytest.fixture(scope="session")
def repository() -> Path:
    return Path(__file__).resolve().parents[1]


@pytest.fixture
def s3_uri() -> Iterator[str]:
    """A folder of its own in the S3 that the usual variables name; skipped without one."""
    if not os.environ.get("AWS_ENDPOINT_URL"):
        pytest.skip("AWS_ENDPOINT_URL names no S3 to test with")
    from pyarrow import fs

    from millrace.storage import s3

    endpoint = s3.access(_BUCKET).endpoint
    system = s3.file_system(f"s3://{_BUCKET}")
    if system.get_file_info(_BUCKET).type == fs.FileType.NotFound:
        scheme, _, host = endpoint.partition("://")
        fs.S3FileSystem(endpoint_override=host, scheme=scheme, allow_bucket_creation=True).create_dir(_BUCKET)
    folder = f"{_BUCKET}/{secrets.token_hex(8)}"
    yield f"s3://{folder}"
    if system.get_file_info(folder).type != fs.FileType.NotFound:
        system.delete_dir(folder)


@pytest.fixture
def hdfs_uri() -> Iterator[str]:
    """A folder of its own in the HDFS that HDFS_URL names; skipped without one."""
    url = os.environ.get("HDFS_URL")
    if not url:
        pytest.skip("HDFS_URL names no HDFS to test with")
    from pyarrow import fs

    from millrace.storage import hdfs

    uri = f"{url}/tmp/millrace-test/{secrets.token_hex(8)}"
    system, folder = hdfs.file_system(uri), hdfs.path_of(uri)
    yield uri
    if system.get_file_info(folder).type != fs.FileType.NotFound:
        system.delete_dir(folder)


@pytest.fixture(params=["file", "s3", "hdfs"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A folder of its own in each store in turn."""
    if request.param == "file":
        return (tmp_path / "store").as_uri()
    return str(request.getfixturevalue(f"{request.param}_uri"))
