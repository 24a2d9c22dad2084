"""Fits the calibration of plans to the runs that ended."""

from airflow.sdk import BaseOperator, Context

from millrace.planning.calibrate import calibrate, describe
from millrace.settings import load_settings


class CalibrateOperator(BaseOperator):
    """Stores new calibration versions in the ledger; a drift is recorded there and logged as a warning."""

    def execute(self, context: Context) -> str:
        """Calibrate once; the XCom is the number of new versions and the drifts found."""
        stored = calibrate(load_settings().ledger())
        for learned in stored:
            for line in describe(learned):
                (self.log.warning if "DRIFT" in line else self.log.info)("%s", line)
        drifts = [f"{each.hardware}, {each.family}: {each.drift}" for each in stored if each.drift]
        return "; ".join([f"{len(stored)} new versions", *drifts])
