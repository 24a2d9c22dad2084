"""What docs/operate/backup.md says of a copy of the ledger: it is complete, and shows how far it goes."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from millrace.ledger.ledger import Ledger
from millrace.ledger.records import Actor, Decision

ADA = Actor("Ada")
WORKLOAD = "news"


@pytest.fixture
def url(tmp_path: Path) -> str:
    """SQLite's alone: PostgreSQL is copied by pg_dump."""
    return f"sqlite:///{tmp_path / 'ledger.db'}"


@pytest.fixture
def restored(ledger: Ledger, url: str, tmp_path: Path) -> Callable[[], Ledger]:
    """Copies the ledger as ``sqlite3 ledger.db ".backup copy.db"`` does, and opens the copy."""
    file, copy = sa.make_url(url).database or "", tmp_path / "copy.db"

    def restored() -> Ledger:
        with sqlite3.connect(file) as source, sqlite3.connect(copy) as target:
            source.backup(target)
        return Ledger(f"sqlite:///{copy}")

    return restored


def test_a_copy_needs_no_migration_and_names_the_live_version(
    ledger: Ledger, train_model: Callable[..., None], restored: Callable[[], Ledger]
) -> None:
    train_model("v1")
    ledger.promote(WORKLOAD, "v1", by=ADA)
    copy = restored()
    assert copy.migrate() == []
    found = copy.live_model(WORKLOAD)
    assert found is not None
    assert found.model.version == "v1"


def test_a_copy_has_the_audit_up_to_the_backup_and_shows_that_the_rest_is_missing(
    ledger: Ledger, restored: Callable[[], Ledger]
) -> None:
    ledger.record_decision(Decision("sweep", "store", ADA, "the policy", "2 files"))
    kept = ledger.check_audit().digest
    copy = restored()
    ledger.record_decision(Decision("sweep", "store", ADA, "the policy", "3 files"))
    newest = ledger.check_audit().digest
    assert copy.check_audit(kept).broken_at is None
    assert copy.check_audit(newest).broken_at is not None
