"""The ledger: the one class through which Millrace reads and writes its database."""

from pathlib import Path

from millrace.ledger.calibrations import Calibrations
from millrace.ledger.database import Database
from millrace.ledger.datasets import Datasets
from millrace.ledger.migrations import Migrations
from millrace.ledger.model_states import ModelStates
from millrace.ledger.models import Models
from millrace.ledger.plans import Plans
from millrace.ledger.reservations import Reservations
from millrace.ledger.retention import Sweeps
from millrace.ledger.runs import Runs
from millrace.ledger.stores import Stores
from millrace.ledger.tries import Tries
from millrace.ledger.views import Views


class Ledger(Runs, Tries, Plans, Datasets, Models, ModelStates, Reservations, Stores, Sweeps, Calibrations, Migrations):
    """Plans, reports, dataset and model versions and measurements, in one database.

    ``url`` is a SQLAlchemy URL of SQLite or PostgreSQL; the first call opens it. ``sql`` is the folder of statements,
    by default the repository's own. Every method is one transaction, applied as a whole or not at all, and raises
    TransientError if the database does not answer. Times are UTC ISO-8601 text. ``views`` holds the queries over many
    runs that web pages and monitors show. The base classes hold the methods, one class for each responsibility.
    """

    def __init__(self, url: str, sql: Path | None = None) -> None:
        super().__init__(Database(url, sql))
        self.views = Views(self._database)
