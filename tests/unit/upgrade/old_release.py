"""What the Airflow of commit 88ba4e7 left behind, put where a test wants it."""

import sqlite3
import tarfile
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.unit.upgrade.make_fixture import DAG as DAG
from tests.unit.upgrade.make_fixture import HOME_PLACEHOLDER

FOLDER = Path(__file__).parent
LAST_MIGRATION = "0011_power_and_teams"
RETIRED, LIVE = "v-2b429439678b", "v-8567daefbb65"
FIRST_RUN = "manual__2026-12-01T03:29:38.753094+00:00_c41e97ee"
SECOND_RUN = "manual__2026-12-01T03:30:23.246882+00:00_1920a4cc"
OVER_BUDGET_RUN = "backfill__2026-03-06T00:00:00+00:00"
BUDGET = "machine_faults-13bc7fe1"
SERVER_PORT = 8200


def unpack(home: Path) -> None:
    """Put ledger and store into ``home``."""
    unpack_ledger(home / "ledger.db", home)
    unpack_store(home)


def unpack_ledger(file: Path, home: Path) -> None:
    """Make the ledger's SQLite file, not yet migrated; its URIs are those of a store in ``home``."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(file)) as database:
        database.executescript((FOLDER / "ledger.sql").read_text().replace(HOME_PLACEHOLDER, str(home)))


def unpack_store(home: Path) -> None:
    """Put the store's folder into ``home``. Digests cover the models' files, which stay as they were."""
    with tarfile.open(FOLDER / "store.tar.gz") as archive:
        archive.extractall(home, filter="data")
    for path in (home / "store").rglob("*.*"):
        if path.is_file() and HOME_PLACEHOLDER.encode() in (content := path.read_bytes()):
            path.write_bytes(content.replace(HOME_PLACEHOLDER.encode(), str(home).encode()))


def old_summary(file: Path) -> list[dict[str, Any]]:
    """The rows of the old version's view ``run_summary``, newest first."""
    with closing(sqlite3.connect(file)) as database:
        database.row_factory = sqlite3.Row
        return [dict(row) for row in database.execute("SELECT * FROM run_summary ORDER BY started_at DESC, run_id")]
