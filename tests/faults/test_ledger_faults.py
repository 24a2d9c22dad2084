"""A ledger that goes away while a step runs: F14 of the catalogue of faults, on a real PostgreSQL and on SQLite."""

import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from matrix import outcome
from matrix.airflow_env import DAYS, AirflowEnv, machine_rows
from matrix.task import DAG, OK, RETRY, RUN_ID

from millrace.contracts.report import Report
from millrace.storage import files

pytestmark = pytest.mark.timeout(300)
ROWS = 700_000


class Postgres:
    """A PostgreSQL of this test's own, as .ci/postgres starts it."""

    def __init__(self, repository: Path, folder: Path) -> None:
        self._script = repository / ".ci" / "postgres"
        self._folder = folder
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self._port = probe.getsockname()[1]
        self.url = self._call("start").strip().splitlines()[-1]

    def _call(self, verb: str) -> str:
        environment = {**os.environ, "PG_TEST_PORT": str(self._port)}
        command = [str(self._script), verb, str(self._folder)]
        return subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout

    def stop(self) -> None:
        self._call("stop")

    def start_again(self) -> None:
        [programs] = sorted(Path("/usr/lib/postgresql").glob("*/bin"))[-1:]
        line = (
            f"{programs}/pg_ctl -w -D '{self._folder}/data' -l '{self._folder}/log' "
            f"-o '-p {self._port} -k {self._folder} -c listen_addresses=127.0.0.1 -c fsync=off' start"
        )
        as_owner = ["su", "postgres", "-s", "/bin/bash", "-c", line] if os.getuid() == 0 else ["bash", "-c", line]
        subprocess.run(as_owner, check=True, stdout=subprocess.DEVNULL)

    def read_only(self, on: bool) -> None:
        url = sa.make_url(self.url).set(drivername="postgresql+psycopg")
        engine = sa.create_engine(url, poolclass=sa.pool.NullPool, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.exec_driver_sql(f"ALTER SYSTEM SET default_transaction_read_only = {'on' if on else 'off'}")
            connection.exec_driver_sql("SELECT pg_reload_conf()")


@pytest.fixture
def postgres(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    if not any(Path("/usr/lib/postgresql").glob("*/bin/initdb")):
        pytest.skip("there is no PostgreSQL here to stop and start")
    folder = tmp_path_factory.mktemp("pg")
    for each in (folder, *folder.parents[:3]):
        each.chmod(0o755)
    server = Postgres(repository, folder)
    yield server
    server.stop()


@pytest.fixture
def airflow_on_postgres(airflow_env: AirflowEnv, postgres: Postgres) -> AirflowEnv:
    airflow_env.environment["MILLRACE_LEDGER_URL"] = postgres.url
    airflow_env.ledger.migrate()
    airflow_env.deliver(DAYS[0], machine_rows(DAYS[0], ROWS))
    return airflow_env


def the_step_runs(airflow_env: AirflowEnv) -> bool:
    return any(key.endswith("/ingest/try-1/meter.json") or ".part" in key for key in airflow_env.objects())


def spoil_while_the_step_runs(airflow_env: AirflowEnv, spoil: Callable[[], None]) -> int:
    """Start ingest, and spoil the ledger once the step is at work; how the task ended."""
    task = airflow_env.start("ingest")
    deadline = time.monotonic() + 60
    while not the_step_runs(airflow_env) and time.monotonic() < deadline:
        time.sleep(0.02)
    spoil()
    code: int = task.wait(120)
    return code


def delivered_once(airflow_env: AirflowEnv) -> None:
    """The report that had waited in the store is the ledger's, and nothing was done twice."""
    [written] = [key for key in airflow_env.objects() if key.endswith("/report.json") and "/ingest/" in key]
    report = Report.model_validate_json(files.read_bytes(f"{airflow_env.store}/{written}"))
    assert airflow_env.ledger.committed_report(DAG, RUN_ID, "ingest") == report
    rows = airflow_env.ledger.tries(DAG, RUN_ID, 0)
    assert [row["outcome"] for row in rows] == ["ok"], "a report was counted twice, or half of one"
    assert [row["state"] for row in outcome.ledger_tables(airflow_env)["partitions"]] == ["staged"] * len(DAYS)
    airflow_env.expect("validate")
    outcome.check_readers(airflow_env)


def test_f14_a_ledger_that_restarts_while_a_step_runs_gets_its_report_once(
    airflow_on_postgres: AirflowEnv, postgres: Postgres
) -> None:
    code = spoil_while_the_step_runs(airflow_on_postgres, postgres.stop)
    assert code == RETRY, airflow_on_postgres.said()
    assert "the ledger does not answer" in airflow_on_postgres.said()
    assert airflow_on_postgres.run("ingest", 2) == RETRY, "without a ledger no task goes well"
    postgres.start_again()
    assert outcome.ledger_tables(airflow_on_postgres)["partitions"] == [], "half a transaction"
    assert airflow_on_postgres.retry("ingest", 3) == OK, airflow_on_postgres.said()
    delivered_once(airflow_on_postgres)


def test_f14_a_ledger_that_is_read_only_meanwhile_gets_its_report_once(
    airflow_on_postgres: AirflowEnv, postgres: Postgres
) -> None:
    code = spoil_while_the_step_runs(airflow_on_postgres, lambda: postgres.read_only(True))
    try:
        assert code == RETRY, airflow_on_postgres.said()
        assert "the ledger does not answer" in airflow_on_postgres.said()
        assert outcome.ledger_tables(airflow_on_postgres)["partitions"] == []
    finally:
        postgres.read_only(False)
    assert airflow_on_postgres.retry("ingest") == OK, airflow_on_postgres.said()
    delivered_once(airflow_on_postgres)


def test_f14_a_ledger_file_that_is_read_only_meanwhile_gets_its_report_once(
    airflow_env: AirflowEnv, small_disk: Path
) -> None:
    airflow_env.environment["MILLRACE_LEDGER_URL"] = f"sqlite:///{small_disk / 'ledger.db'}"
    airflow_env.ledger.migrate()
    airflow_env.deliver(DAYS[0], machine_rows(DAYS[0], ROWS))

    def remount(how: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{how}", str(small_disk)], check=True)

    code = spoil_while_the_step_runs(airflow_env, lambda: remount("ro"))
    try:
        assert code == RETRY, airflow_env.said()
        assert "the ledger does not answer" in airflow_env.said()
    finally:
        remount("rw")
    assert outcome.ledger_tables(airflow_env)["partitions"] == []
    assert airflow_env.retry("ingest") == OK, airflow_env.said()
    delivered_once(airflow_env)
