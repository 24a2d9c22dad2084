"""Calibrations, and the measured runs that they are learned from."""

from millrace.contracts.calibration import Calibration
from millrace.ledger.database import Database, Row, written


def store(database: Database, learned: Calibration) -> bool:
    """See Ledger.store_calibration."""
    with database.write() as transaction:
        new = transaction.execute(
            "insert_calibration",
            hardware=learned.hardware,
            family=learned.family,
            version=learned.version,
            runs=learned.runs,
            calibration=learned.model_dump_json(),
            drift=learned.drift,
            learned_at=written(learned.learned_at),
        )
    return new == 1


def newest(database: Database, hardware: str, family: str) -> Calibration | None:
    """See Ledger.calibration."""
    with database.read() as transaction:
        row = transaction.one("select_calibration", hardware=hardware, family=family)
    return None if row is None else Calibration.model_validate_json(row["calibration"])


def trained_runs(database: Database) -> list[Row]:
    """See Ledger.trained_runs."""
    with database.read() as transaction:
        return transaction.all("select_trained_runs")
