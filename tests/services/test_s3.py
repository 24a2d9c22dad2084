"""What is S3's own: endpoints, keys, authorities, encryption, uploads."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from millrace.contracts.errors import BadInputError, StepError, TransientError
from millrace.storage import files, s3, uploads


def test_a_bucket_that_is_not_there_says_so(s3_uri: str) -> None:
    with pytest.raises(StepError, match="s3://no-such-bucket-of-millrace"):
        files.write_bytes("s3://no-such-bucket-of-millrace/file", b"x")


def test_a_uri_without_a_bucket_is_refused() -> None:
    with pytest.raises(BadInputError, match="bucket"):
        s3.path_of("s3:///key")


def test_an_endpoint_that_is_no_url_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "s3.example.org")
    with pytest.raises(BadInputError, match="AWS_ENDPOINT_URL"):
        files.exists("s3://bucket/key")


def test_what_is_asked_for_a_bucket_holds_for_it_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://one.example.org")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "one")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "first secret")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "first token")
    monkeypatch.setenv("AWS_ENDPOINT_URL__ARCHIVE_2026", "https://two.example.org")
    monkeypatch.setenv("AWS_VIRTUAL_HOSTED_STYLE_REQUEST__ARCHIVE_2026", "true")
    s3.grant("s3://archive-2026/x", access_key="two", secret_key="second secret")
    one, two = s3.access("store"), s3.access("archive-2026")
    assert (one.endpoint, one.access_key, one.virtual_hosted) == ("https://one.example.org", "one", False)
    assert (two.endpoint, two.access_key, two.session_token) == ("https://two.example.org", "two", "")
    assert (s3.delta_options("s3://archive-2026/t") or {})["aws_endpoint"] == "https://archive-2026.two.example.org"
    assert "secret" not in repr([one, two])


def test_an_unknown_encryption_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SERVER_SIDE_ENCRYPTION", "ROT13")
    with pytest.raises(BadInputError, match="AES256"):
        s3.access("bucket")


@pytest.fixture
def second_s3(s3_uri: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The real S3 for one bucket alone; everything else would go to an address where nothing listens."""
    suffix = s3_uri.split("/")[2].replace("-", "_").upper()
    for name in ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(f"{name}__{suffix}", os.environ[name])
        monkeypatch.setenv(name, "http://127.0.0.1:1" if "URL" in name else "other")
    return s3_uri


def test_a_bucket_of_another_s3_is_written_read_and_holds_a_table(second_s3: str, tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(b"x" * (uploads.PART_BYTES * 2 + 1))
    files.put_file(tmp_path / "large", files.join(second_s3, "large"))
    assert files.size_bytes(files.join(second_s3, "large")) == uploads.PART_BYTES * 2 + 1
    assert write_table(f"{second_s3}/table") == 3
    with pytest.raises(TransientError):
        files.write_bytes("s3://nobody-s/file", b"x")


def test_an_authority_of_ones_own_is_trusted_when_it_is_named(s3_uri: str, s3_proxy: Any, certificate: Path) -> None:
    with s3_proxy(lambda _method, headers: headers, certificate) as proxy:
        # in processes of their own: a library reads its authorities once
        untrusted = in_new_process(s3_uri, AWS_ENDPOINT_URL=proxy.url, AWS_CA_BUNDLE="")
        assert "CERTIFICATE_VERIFY_FAILED" in untrusted.stderr
        trusted = in_new_process(s3_uri, AWS_ENDPOINT_URL=proxy.url, AWS_CA_BUNDLE=str(certificate))
        assert trusted.stdout.split() == ["3", "3"], trusted.stderr


def in_new_process(uri: str, **variables: str) -> subprocess.CompletedProcess[str]:
    program = (
        "import sys; from pathlib import Path; from millrace.storage import files\n"
        "sys.path.insert(0, sys.argv[2]); from test_s3 import write_table\n"
        "files.write_bytes(sys.argv[1] + '/f', b'abc'); print(files.size_bytes(sys.argv[1] + '/f'))\n"
        "print(write_table(sys.argv[1] + '/table'))"
    )
    return subprocess.run(
        [sys.executable, "-c", program, uri, str(Path(__file__).parent)],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=120,
    )


def write_table(uri: str) -> int:
    """How many rows a new table has that were written to it."""
    options = s3.delta_options(uri)
    write_deltalake(uri, pa.table({"a": [1, 2, 3]}), storage_options=options)
    return int(DeltaTable(uri, storage_options=options).to_pyarrow_table().num_rows)


def test_encryption_is_asked_for_in_every_object_where_it_should_be(
    s3_uri: str, s3_proxy: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    header = "x-amz-server-side-encryption"

    def without(_method: str, headers: dict[str, str]) -> dict[str, str]:
        return {name: value for name, value in headers.items() if not name.startswith(header)}

    (tmp_path / "large").write_bytes(b"x" * (uploads.PART_BYTES + 1))
    with s3_proxy(without) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        files.write_bytes(files.join(s3_uri, "plain"), b"x")
        assert not [headers for _, _, headers in proxy.seen if header in headers]
        proxy.seen.clear()
        monkeypatch.setenv("AWS_SERVER_SIDE_ENCRYPTION", "AES256")
        files.write_bytes(files.join(s3_uri, "small"), b"x")
        files.put_file(tmp_path / "large", files.join(s3_uri, "large"))
        assert write_table(f"{s3_uri}/table") == 3
    begun = [
        (path, headers.get(header))
        for method, path, headers in proxy.seen
        if (method == "PUT" and "partNumber" not in path) or (method == "POST" and path.endswith("?uploads"))
    ]
    assert len(begun) >= 4
    assert {asked for _, asked in begun} == {"AES256"}, begun


def test_keys_come_from_an_airflow_connection(s3_uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from millrace.orchestration.connections import reach_stores
    from millrace.settings import Settings

    connection: dict[str, Any] = {
        "conn_type": "aws",
        "login": os.environ["AWS_ACCESS_KEY_ID"],
        "password": os.environ["AWS_SECRET_ACCESS_KEY"],
        "extra": {"endpoint_url": os.environ["AWS_ENDPOINT_URL"]},
    }
    monkeypatch.setattr(os, "environ", os.environ.copy())
    for name in ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        del os.environ[name]
    os.environ["AIRFLOW_CONN_CEPH"] = json.dumps(connection)
    settings = Settings(storage_uri=s3_uri, storage_connection="ceph")
    reach_stores(settings)
    files.write_bytes(files.join(s3_uri, "by-connection"), b"x")
    assert files.names(s3_uri) == ["by-connection"]
    assert connection["password"] not in repr(settings) + repr(s3.access(s3_uri.split("/")[2]))
    with pytest.raises(BadInputError, match="no-such"):
        reach_stores(Settings(storage_uri=s3_uri, storage_connection="no-such"))


def test_an_upload_that_fails_on_the_way_leaves_nothing(s3_uri: str) -> None:
    uri = files.join(s3_uri, "torn")
    with pytest.raises(ZeroDivisionError), files.writing(uri) as stream:  # noqa: PT012
        stream.write(b"x" * (uploads.PART_BYTES + 1))
        assert [found for found, _, _ in uploads.abandoned(s3_uri)] == [uri]
        raise ZeroDivisionError
    assert not files.exists(uri)
    assert list(uploads.abandoned(s3_uri)) == []
