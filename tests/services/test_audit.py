"""The audit on a real PostgreSQL: the owner migrates, and the role that Airflow uses can insert rows and no more."""

import os
import secrets
from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import pytest
import sqlalchemy as sa

from millrace.contracts.errors import RefusedError
from millrace.ledger.ledger import Ledger
from millrace.ledger.records import Actor, Budget, Decision, RunKey

POSTGRES = "MILLRACE_TEST_POSTGRES_URL"
DAY = date(2026, 3, 2)
pytestmark = pytest.mark.skipif(POSTGRES not in os.environ, reason=f"{POSTGRES} names no PostgreSQL")


class Site:
    """A ledger in a schema of its own: its owner's URL, and that of an application's role."""

    def __init__(self, owner: str, application: str, role: str) -> None:
        self.owner, self.application, self.role = owner, application, role
        self.as_owner, self.as_application = Ledger(owner), Ledger(application)

    def execute(self, url: str, statement: str) -> None:
        engine = sa.create_engine(url, poolclass=sa.pool.NullPool)
        with engine.begin() as connection:
            connection.exec_driver_sql(statement)


@pytest.fixture
def site() -> Iterator[Site]:
    name = f"audit_{secrets.token_hex(6)}"
    server = sa.make_url(os.environ[POSTGRES]).set(drivername="postgresql+psycopg")
    engine = sa.create_engine(server, poolclass=sa.pool.NullPool)
    password = secrets.token_hex(8)
    with engine.begin() as connection:
        connection.exec_driver_sql(f"CREATE SCHEMA {name}")
        connection.exec_driver_sql(f"CREATE ROLE {name} LOGIN PASSWORD '{password}'")
    owner = server.update_query_dict({"options": f"-csearch_path={name}"})
    application = owner.set(username=name, password=password)
    as_owner, as_application = (url.render_as_string(hide_password=False) for url in (owner, application))
    site = Site(as_owner, as_application, name)
    site.as_owner.migrate()
    site.as_owner.grant(name)
    yield site
    with engine.begin() as connection:
        connection.exec_driver_sql(f"DROP SCHEMA {name} CASCADE")
        connection.exec_driver_sql(f"DROP OWNED BY {name}")
        connection.exec_driver_sql(f"DROP ROLE {name}")


def decide(ledger: Ledger, subject: str) -> None:
    ledger.record_decision(Decision("sweep", subject, Actor("Ada"), "the policy"))


def test_the_applications_role_does_its_work_and_inserts(site: Site) -> None:
    ledger = site.as_application
    assert ledger.migrate() == [], "a role that owns nothing looks whether there is anything to migrate"
    repeat = ledger.open_run(
        "news", "r", workload="news", team="t", site="local", partition_first=DAY, partition_last=DAY,
        run_type="manual", triggered_by="Ada",
    )  # fmt: skip
    ledger.record_budget(Budget("b", "news", 10, "EUR", 5, 0.01, 0.1), Actor("Ada"))
    ledger.note_settings({"workload news": {"retries": "3"}}, Actor.of(RunKey("news", "r", repeat)))
    ledger.close_run("news", "r", repeat, state="failed", reason="because")
    assert [row["action"] for row in ledger.audit()] == ["settings", "budget", "trigger"]
    assert ledger.check_audit().broken_at is None
    site.as_owner.grant(site.role)  # after each migration
    decide(ledger, "store")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET reason = 'x'",
        "DELETE FROM audit",
        "TRUNCATE audit",
        "UPDATE audit_head SET row_count = 0",
        "UPDATE audit_head SET digest = 'x'",
        "DELETE FROM audit_head",
        "INSERT INTO audit_head VALUES (1, 0, 'x', 0)",
        "ALTER TABLE audit DISABLE TRIGGER ALL",
        "DROP TRIGGER audit_moves_head ON audit",
        "DROP TABLE audit",
        "DELETE FROM migrations",
    ],
)
def test_and_can_do_nothing_else_to_the_audit(site: Site, statement: str) -> None:
    decide(site.as_application, "store")
    with pytest.raises(sa.exc.ProgrammingError, match=r"permission denied|must be owner"):
        site.execute(site.application, statement)
    assert (site.as_owner.check_audit().row_count, site.as_owner.check_audit().broken_at) == (1, None)


def test_its_refusal_names_the_rule(site: Site) -> None:
    database = site.as_application._database
    with pytest.raises(RefusedError, match="inserts into the audit and reads it"), database.write() as transaction:
        transaction.script("DELETE FROM audit")


@pytest.mark.parametrize("statement", ["UPDATE audit SET reason = 'x'", "DELETE FROM audit", "TRUNCATE audit"])
def test_the_owner_is_stopped_too_until_it_takes_the_guards_away(site: Site, statement: str) -> None:
    decide(site.as_application, "store")
    with pytest.raises(sa.exc.IntegrityError, match="rows are inserted only"):
        site.execute(site.owner, statement)
    site.execute(site.owner, "ALTER TABLE audit DISABLE TRIGGER USER")
    site.execute(site.owner, statement)
    assert site.as_application.check_audit().broken_at == 1


def test_a_row_with_a_digest_of_its_own_making_does_not_fit_in(site: Site) -> None:
    """Whoever may insert may insert what is no decision; it is in its place, and found if it is not canonical."""
    decide(site.as_application, "store")
    last = site.as_application.check_audit()
    columns = "recorded_at, decided_at, action, outcome, subject, actor, by_person, reason, effect"
    for sequence, previous in ((1, last.digest), (2, "f" * 64), (3, last.digest)):
        with pytest.raises(sa.exc.IntegrityError):
            site.execute(
                site.application,
                f"INSERT INTO audit (sequence, {columns}, previous, digest) "
                f"VALUES ({sequence}, '', '', 'promote', 'done', 'v', 'Bob', 1, '', '', '{previous}', 'x')",
            )
    site.execute(
        site.application,
        f"INSERT INTO audit (sequence, {columns}, previous, digest) "
        f"VALUES (2, '', '', 'promote', 'done', 'v', 'Bob', 1, '', '', '{last.digest}', 'x')",
    )
    assert site.as_application.check_audit().broken_at == 2


def write(url: str, writer: int) -> None:
    ledger = Ledger(url)
    for turn in range(20):
        decide(ledger, f"{writer} {turn}")


def test_writers_at_once_make_one_chain(site: Site, at_once: Callable[..., list[Any]]) -> None:
    at_once(write, [(url, number) for number, url in enumerate([site.application] * 3 + [site.owner])])
    chain = site.as_owner.check_audit()
    assert (chain.row_count, chain.broken_at) == (80, None)
    assert len({row["subject"] for row in site.as_owner.audit(limit=1000)}) == 80
