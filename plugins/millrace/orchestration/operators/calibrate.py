"""Learns from the runs that ended."""

from airflow.sdk import BaseOperator, Context

from millrace.planning.calibrate import calibrate, describe
from millrace.settings import load_settings


class CalibrateOperator(BaseOperator):
    """Stores new versions of what predictions are made with; a drift is a warning in the log, and in the ledger."""

    def execute(self, context: Context) -> str:
        """Learn once; the XCom says how many versions are new, and what drifted."""
        stored = calibrate(load_settings().ledger())
        for learned in stored:
            for line in describe(learned):
                (self.log.warning if "DRIFT" in line else self.log.info)("%s", line)
        drifts = [f"{each.hardware}, {each.family}: {each.drift}" for each in stored if each.drift]
        return "; ".join([f"{len(stored)} new versions", *drifts])
