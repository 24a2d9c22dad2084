"""Settings that must stand before Airflow is imported anywhere."""

import contextlib
import importlib.util
import json
import multiprocessing
import os
import secrets
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

os.environ.setdefault("AIRFLOW_HOME", tempfile.mkdtemp(prefix="millrace-airflow-"))
os.environ.setdefault("AIRFLOW__CORE__LOAD_EXAMPLES", "False")

_BUCKET = os.environ.get("MILLRACE_TEST_BUCKET", "millrace-test")


@pytest.fixture(autouse=True)
def _unconfined(monkeypatch: pytest.MonkeyPatch) -> None:
    """One test's Airflow does not confine the next one's."""
    monkeypatch.setattr("millrace.storage.places._confined", None)


@pytest.fixture(scope="session")
def repository() -> Path:
    return Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def load_module() -> Callable[[Path], ModuleType]:
    """Loads a file of other tests: what they make, made the same way here."""

    def load(path: Path) -> ModuleType:
        given = importlib.util.spec_from_file_location(path.parent.name + "_" + path.stem, path)
        assert given
        assert given.loader
        module = importlib.util.module_from_spec(given)
        sys.modules[module.__name__] = module
        given.loader.exec_module(module)
        return module

    return load


@pytest.fixture(scope="session")
def at_once() -> Callable[..., list[Any]]:
    """Calls a module's function once for each tuple of arguments, in six processes: the answers in their order.

    A clean process forks them: a child of this one, in which an S3 client may have threads, can die as it begins.
    """

    def call(work: Callable[..., Any], arguments: Sequence[tuple[Any, ...]]) -> list[Any]:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["millrace.ledger.ledger"])
        with ProcessPoolExecutor(6, mp_context=context) as pool:
            return [begun.result() for begun in [pool.submit(work, *each) for each in arguments]]

    return call


@pytest.fixture(scope="session")
def accuracy(repository: Path, load_module: Callable[[Path], ModuleType]) -> Iterator[Callable[[str], ModuleType]]:
    """Loads one of the programs of `make accuracy`, which import each other."""
    folder = repository / "tests" / "accuracy"
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        yield lambda name: load_module(folder / f"{name}.py")


@pytest.fixture(scope="session")
def replay(accuracy: Callable[[str], ModuleType]) -> ModuleType:
    """What starts a real Prometheus, empty or with given samples."""
    if not (shutil.which("prometheus") and shutil.which("promtool")):
        pytest.skip("no programs named prometheus and promtool here (Debian's package prometheus)")
    return accuracy("replay")


@pytest.fixture(scope="session")
def create_bucket() -> Callable[[str], None]:
    """Makes a bucket in the S3 that the usual variables name, unless it is there."""

    def create(bucket: str) -> None:
        from pyarrow import fs

        from millrace.storage import s3

        if s3.file_system(f"s3://{bucket}").get_file_info(bucket).type == fs.FileType.NotFound:
            scheme, _, host = s3.access(bucket).endpoint.partition("://")
            fs.S3FileSystem(endpoint_override=host, scheme=scheme, allow_bucket_creation=True).create_dir(bucket)

    return create


@pytest.fixture(scope="session")
def ceph_user() -> Iterator[Callable[[str], dict[str, str]]]:
    """Makes users of the Ceph that CEPH_CONF names; each is the variables that it is known by. They go at the end."""
    if not (shutil.which("radosgw-admin") and os.environ.get("CEPH_CONF") and os.environ.get("AWS_ENDPOINT_URL")):
        pytest.skip("no Ceph to make users in: radosgw-admin, CEPH_CONF and AWS_ENDPOINT_URL are needed")
    made: list[str] = []

    def admin(*arguments: str) -> str:
        return subprocess.run(["radosgw-admin", "user", *arguments], check=True, capture_output=True, text=True).stdout

    def create(name: str) -> dict[str, str]:
        (key,) = json.loads(admin("create", "--uid", name, "--display-name", name))["keys"]
        made.append(name)
        return {"AWS_ACCESS_KEY_ID": key["access_key"], "AWS_SECRET_ACCESS_KEY": key["secret_key"]}

    yield create
    for name in made:
        admin("rm", "--uid", name, "--purge-data")


@pytest.fixture(scope="session")
def ceph_owner() -> str:
    """Who the environment's own user is in a policy."""
    key = os.environ["AWS_ACCESS_KEY_ID"]
    given = subprocess.run(
        ["radosgw-admin", "user", "info", "--access-key", key], check=True, capture_output=True, text=True
    )
    return f"arn:aws:iam:::user/{json.loads(given.stdout)['user_id']}"


@pytest.fixture(scope="session")
def put_policy() -> Callable[[str, dict[str, Any]], None]:
    """Gives a bucket of the environment's own user a policy."""

    def put(bucket: str, policy: dict[str, Any]) -> None:
        from millrace.storage import uploads

        uploads.client(f"s3://{bucket}").put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))

    return put


@pytest.fixture(scope="session")
def all_that_is_kept() -> Callable[[Path, str], dict[str, bytes]]:
    """Everything below an Airflow's home and in a store, by its place; databases in words, row by row."""

    def read(home: Path, store_uri: str) -> dict[str, bytes]:
        from pyarrow import fs

        from millrace.storage import files

        system, root = files.locate(store_uri)
        below = system.get_file_info(fs.FileSelector(root, recursive=True))
        kept = {info.path: system.open_input_file(info.path).read() for info in below if info.type == fs.FileType.File}
        for path in filter(Path.is_file, sorted(home.rglob("*"))):
            kept[str(path)] = path.read_bytes()
            if path.suffix == ".db":
                # a long value lies in pieces in the file
                with contextlib.closing(sqlite3.connect(path)) as database:
                    kept[f"{path}, dumped"] = "\n".join(database.iterdump()).encode()
        assert any(name.endswith("airflow.db, dumped") for name in kept), "XComs and rendered fields were not looked at"
        for part in ("/spec.json", "/report.json", "attempt=1.log", ".html"):
            assert any(part in name for name in kept), f"nothing was looked at that is named {part}"
        return kept

    return read


@pytest.fixture
def s3_uri(create_bucket: Callable[[str], None]) -> Iterator[str]:
    """A folder of its own in the S3 that the usual variables name; skipped without one."""
    if not os.environ.get("AWS_ENDPOINT_URL"):
        pytest.skip("AWS_ENDPOINT_URL names no S3 to test with")
    from pyarrow import fs

    from millrace.storage import s3

    create_bucket(_BUCKET)
    system = s3.file_system(f"s3://{_BUCKET}")
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
