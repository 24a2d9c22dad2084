"""The demonstration's DAG end to end with everything that it keeps in Ceph, and in HDFS; no secret is in any of it."""

import json
import os
import secrets
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from cryptography.fernet import Fernet
from deltalake import DeltaTable

from millrace.cli.demonstration.follow import AirflowApi
from millrace.cli.demonstration.show import bring_in
from millrace.ledger.ledger import Ledger
from millrace.settings import Settings
from millrace.storage import files, s3
from tests.e2e.conftest import AirflowEnv, machine_rows

REPOSITORY = Path(__file__).resolve().parents[2]
DAG, FAULTS = "news_topics", "machine_faults"
ROWS = 600
# what a run on local files leaves in its row; the rest needs rates or sensors
MEASURED = (
    "dataset_version", "model_version", "quality", "predicted_seconds", "measured_seconds", "measured_joules",
    "predicted_peak_memory_bytes", "measured_peak_memory_bytes", "energy_method", "energy_coverage",
)  # fmt: skip


@dataclass
class Estate:
    """An Airflow whose store is remote, what it ran, and the secrets that it was given."""

    airflow_env: AirflowEnv
    store: str
    planted: dict[str, str]
    row: dict[str, Any] = field(default_factory=dict)
    days: dict[date, int] = field(default_factory=dict)


def settings_of(store: str, home: Path) -> dict[str, str]:
    return {
        "MILLRACE_HOME": str(home),
        "MILLRACE_STORAGE_URI": f"{store}/store",
        "MILLRACE_ARRIVALS_URI": f"{store}/arrivals",
    }


class Planted(dict[str, str]):
    """Credentials by what they are of: none of them may be found in anything that is kept."""

    def new(self, of: str) -> str:
        return self.setdefault(of, f"planted{secrets.token_hex(12)}")


def credential_cache(ticket: str) -> bytes:
    """A Kerberos credential cache with a ticket (MIT Kerberos, "Credential cache file format", version 4)."""

    def sized(data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + data

    def principal(*names: bytes) -> bytes:
        return struct.pack(">II", 1, len(names)) + b"".join(map(sized, (b"EXAMPLE.ORG", *names)))

    now = int(time.time())
    key = struct.pack(">H", 18) + sized(secrets.token_bytes(32))
    times = struct.pack(">IIII", now, now, now + 86_400, 0)
    flags_and_addresses = struct.pack(">BIII", 0, 0, 0, 0)
    person, server = principal(b"millrace"), principal(b"krbtgt", b"EXAMPLE.ORG")
    credential = person + server + key + times + flags_and_addresses + sized(ticket.encode()) + sized(b"")
    return b"\5\4\0\0" + person + credential


def airflow_everywhere(patch: pytest.MonkeyPatch, folder: Path) -> Planted:
    """A credential in every place that Millrace and Airflow have for one, but the store's own."""
    planted = Planted()
    for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        patch.setenv(f"{variable}__ELSEWHERE", planted.new(f"{variable} of another bucket"))
    hadoop = {
        "KRB5CCNAME": credential_cache(planted.new("KRB5CCNAME")),
        "KRB5_CLIENT_KTNAME": b"\5\2" + planted.new("KRB5_CLIENT_KTNAME").encode(),
        # no token, and behind the list what may not be seen
        "HADOOP_TOKEN_FILE_LOCATION": b"HDTS\0\0\0" + planted.new("HADOOP_TOKEN_FILE_LOCATION").encode(),
    }
    for variable, content in hadoop.items():
        (folder / variable).write_bytes(content)
        patch.setenv(variable, str(folder / variable))
    patch.setenv("MILLRACE_PROMETHEUS_URL", f"http://reader:{planted.new('Prometheus')}@127.0.0.1:9/")
    patch.setenv("AIRFLOW__API_AUTH__JWT_SECRET", planted.new("Airflow's JWT secret") * 2)
    patch.setenv("AIRFLOW__CORE__FERNET_KEY", planted.setdefault("Fernet key", Fernet.generate_key().decode()))
    if url := os.environ.get("MILLRACE_TEST_POSTGRES_URL"):
        name = f"estate_{secrets.token_hex(4)}"
        given = sa.make_url(url)
        with sa.create_engine(given, isolation_level="AUTOCOMMIT").connect() as connection:
            connection.execute(sa.text(f"CREATE DATABASE {name}"))
        guarded = given.set(password=planted.new("ledger"), database=name).render_as_string(hide_password=False)
        patch.setenv("MILLRACE_LEDGER_URL", guarded)
    return planted


@contextmanager
def guarded_store(patch: pytest.MonkeyPatch, planted: Planted, s3_proxy: Any) -> Iterator[None]:
    """Airflow has the store by a connection alone, whose key, secret and session token are all made up."""
    token = "x-amz-security-token"
    with s3_proxy(lambda _, headers: {name: value for name, value in headers.items() if name != token}) as proxy:
        connection = {
            "conn_type": "aws",
            "login": planted.new("S3 key"),
            "password": planted.new("S3 secret"),
            "extra": {"endpoint_url": proxy.url, "aws_session_token": planted.new("S3 session token")},
        }
        patch.setenv("AIRFLOW_CONN_MILLRACE_STORE", json.dumps(connection))
        patch.setenv("MILLRACE_STORAGE_CONNECTION", "millrace_store")
        patch.setenv("MILLRACE_ARRIVALS_CONNECTION", "millrace_store")
        yield
        assert {headers.get(token) for _, _, headers in proxy.seen} == {planted["S3 session token"]}


@pytest.fixture(scope="module", params=["s3", pytest.param("hdfs", marks=pytest.mark.long)])
def estate(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    create_bucket: Callable[[str], None],
    s3_proxy: Any,
) -> Iterator[Estate]:
    wanted = {"s3": "AWS_ENDPOINT_URL", "hdfs": "HDFS_URL"}[request.param]
    if not os.environ.get(wanted):
        pytest.skip(f"{wanted} names no store to test with")
    home = tmp_path_factory.mktemp("estate")
    name = secrets.token_hex(6)
    bucket = os.environ.get("MILLRACE_TEST_BUCKET", "millrace-test")
    store = f"s3://{bucket}/{name}" if request.param == "s3" else f"{os.environ['HDFS_URL']}/tmp/millrace-test/{name}"
    with pytest.MonkeyPatch.context() as patch, ExitStack() as stack:
        for variable, value in settings_of(store, home).items():
            patch.setenv(variable, value)
        if request.param == "s3":
            create_bucket(bucket)
        planted = airflow_everywhere(patch, tmp_path_factory.mktemp("credentials"))
        dags = home / "dags"
        dags.mkdir()
        for file in (REPOSITORY / "dags" / f"{DAG}.py", REPOSITORY / "tests" / "e2e" / "dags" / f"{FAULTS}.py"):
            (dags / file.name).write_text(file.read_text())
        airflow_env = AirflowEnv(home, dags)
        airflow_env.ledger = Ledger(os.environ.get("MILLRACE_LEDGER_URL") or f"sqlite:///{home / 'ledger.db'}")
        airflow_env.ledger.migrate()
        made = Estate(airflow_env, store, planted)
        made.days = bring_in(Settings(), cache=REPOSITORY / ".cache", pip=pip())
        if request.param == "s3":
            stack.enter_context(guarded_store(patch, planted, s3_proxy))
            with pytest.MonkeyPatch.context() as without:
                for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL"):
                    without.delenv(variable)
                airflow_env.airflow.up()
        else:
            airflow_env.airflow.up()
        try:
            airflow_env.api = AirflowApi(airflow_env.airflow)
            run_id = airflow_env.run(
                DAG, rows=ROWS, partition_from=f"{min(made.days)}", partition_to=f"{max(made.days)}"
            )
            made.row = airflow_env.finish(run_id, DAG)
            yield made
        finally:
            airflow_env.airflow.down()
            system, path = files.locate(store)
            system.delete_dir(path)


def pip() -> str:
    uv = REPOSITORY / ".venvs" / "uv" / "bin" / "python"
    return str(uv) if uv.exists() else sys.executable


@pytest.mark.timeout(1200)
def test_the_run_ends_well_with_a_row_like_a_laptops(estate: Estate) -> None:
    assert (estate.row["state"], estate.row["decision"]) == ("success", "pass"), estate.row
    assert [name for name in MEASURED if estate.row[name] is None] == []


def test_every_document_is_in_the_table_once_and_the_live_model_answers(estate: Estate) -> None:
    dataset = estate.airflow_env.ledger.latest_dataset(DAG, until=date.max)
    assert dataset.uri.startswith(estate.store)
    table = DeltaTable(dataset.uri, version=dataset.version, storage_options=s3.delta_options(dataset.uri))
    counts = table.to_pyarrow_table(columns=["partition_"]).group_by("partition_").aggregate([("partition_", "count")])
    by_day = {each["partition_"]: each["partition__count"] for each in counts.to_pylist()}
    # de-duplication drops some documents of a day, and adds none
    assert set(by_day) == set(estate.days)
    assert all(0.9 * estate.days[day] < rows <= estate.days[day] for day, rows in by_day.items())
    live = estate.airflow_env.ledger.live_model(DAG)
    assert live.model.uri.startswith(estate.store)
    assert live.model.version == estate.row["model_version"]


def test_a_run_that_fails_says_why_and_publishes_nothing(estate: Estate) -> None:
    day = date(2026, 3, 2)
    lines = machine_rows(day)
    lines[7] = lines[7].replace("well", "unwell").replace("worn", "unwell").replace("broken", "unwell")
    files.write_bytes(f"{estate.store}/arrivals/{FAULTS}/{day}.csv", ("\n".join(lines) + "\n").encode())
    run_id = estate.airflow_env.run(FAULTS, partition_from=f"{day}", partition_to=f"{day}")
    row = estate.airflow_env.finish(run_id, FAULTS)
    assert row["state"] == "failed"
    assert "ingest: a value is not one of the 3 of target.labels" in row["reason"]
    assert estate.airflow_env.ledger.latest_dataset(FAULTS, until=date.max) is None


def test_no_secret_is_found_anywhere(estate: Estate, all_that_is_kept: Any) -> None:
    """Logs with their tracebacks, XComs, rendered fields, the ledger, reports, specifications, Data Docs, models."""
    kept = all_that_is_kept(estate.airflow_env.airflow.home, estate.store)
    assert any(name.endswith("/log.txt") for name in kept), "no step's own log was looked at"
    if url := os.environ.get("MILLRACE_LEDGER_URL"):
        engine = sa.create_engine(url)
        with engine.connect() as connection:
            for table in sa.inspect(engine).get_table_names():
                kept[table] = str(connection.execute(sa.text(f"SELECT * FROM {table}")).all()).encode()
    found = {
        of: [name for name, data in kept.items() if secret.encode() in data] for of, secret in estate.planted.items()
    }
    assert {of: places for of, places in found.items() if places} == {}


def test_no_secret_is_in_what_a_step_says_of_a_store_that_refuses_it(estate: Estate) -> None:
    if not estate.store.startswith("s3://"):
        pytest.skip("this store knows no secret")
    wrong = f"planted-{secrets.token_hex(16)}"
    done = subprocess.run(
        [str(REPOSITORY / ".venvs/data/bin/python"), "-m", "millrace_data", "--spec", f"{estate.store}/store/x.json"],
        env={
            **os.environ,
            "PYTHONPATH": f"{REPOSITORY}/plugins:{REPOSITORY}/images/data",
            "AWS_SECRET_ACCESS_KEY": wrong,
        },
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode != 0
    assert wrong not in done.stdout + done.stderr
