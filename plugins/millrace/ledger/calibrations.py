"""Calibrations, and the measured runs that they are learned from."""

from millrace.contracts.calibration import Calibration
from millrace.ledger.database import Row, Tables, written


class Calibrations(Tables):
    """What measured runs taught about a hardware and model family."""

    def trained_runs(self) -> list[Row]:
        """Return successful trainings, oldest first: plan and measurements, or only memory after several attempts."""
        return self._all("select_trained_runs")

    def store_calibration(self, learned: Calibration) -> bool:
        """Store a calibration version; False if another process stored it first."""
        with self._database.write() as transaction:
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

    def calibration(self, hardware: str, family: str) -> Calibration | None:
        """Return the newest calibration of a hardware and model family; None if there is none yet."""
        row = self._one("select_calibration", hardware=hardware, family=family)
        return None if row is None else Calibration.model_validate_json(row["calibration"])
