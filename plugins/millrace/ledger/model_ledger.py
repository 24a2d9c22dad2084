"""The ledger's part for model versions: which is live, and what people and runs made of the others."""

from millrace.ledger import model_states, models
from millrace.ledger.audit_ledger import AuditLedger
from millrace.ledger.database import Row
from millrace.ledger.records import Actor, Decision, LiveModel, RecordedModel


class ModelLedger(AuditLedger):
    """A workload's model versions; see Ledger, which is one. Each change, and each that is refused, is in the audit."""

    def live_model(self, workload: str) -> LiveModel | None:
        """The version that answers requests."""
        return models.live_model(self._database, workload)

    def model(self, workload: str, version: str) -> RecordedModel | None:
        """A version, whatever its state."""
        return models.model(self._database, workload, version)

    def promote(self, workload: str, version: str, *, by: Actor, reason: str = "rolled out") -> str | None:
        """Make a version live and retire the live one, whose name is returned; once more changes nothing.

        A run promotes what it has judged, whatever other runs made of it; a person promotes a candidate. Raises
        RefusedError where the live version was trained on newer data (a later last day, or the same day in a later
        dataset version), for one that a person took back or this run rejected, BadInputError for an unknown one.
        """
        with self.refusals_kept(Decision("promote", version, by, reason, dag_id=workload)):
            return model_states.promote(self._database, workload, version, by, reason)

    def revert(self, workload: str, version: str, reason: str, *, by: Actor) -> str | None:
        """Roll a version back; if it was live, its nearest predecessor that was not is live again.

        What a person takes back answers nobody until a person readmits it; what a run takes back another may judge.
        The version that is live afterwards, or None; once more changes nothing. Raises RefusedError for a version that
        was only rejected, unless a person bars it, BadInputError for an unknown one.
        """
        with self.refusals_kept(Decision("roll_back", version, by, reason, dag_id=workload)):
            return model_states.revert(self._database, workload, version, reason, by)

    def reject(self, workload: str, version: str, reason: str, *, by: Actor) -> None:
        """Keep that a run turned a candidate down, which a later run need not do; once more changes nothing.

        A version that was live and then replaced stays one to go back to. The live version and one that was taken back
        stay as they are: the verdict is in the run's row.
        """
        with self.refusals_kept(Decision("reject", version, by, reason, dag_id=workload)):
            model_states.reject(self._database, workload, version, reason, by)

    def readmit(self, workload: str, version: str, reason: str, *, by: Actor, anew: bool = False) -> None:
        """Make a version a candidate again that was rejected, replaced or taken back; other states stay.

        Raises RefusedError for a run where a person took it back (who, when, why, and how to lift that) or this very
        repeat rejected it, unless that judges it ``anew``; for anybody where its files were swept.
        """
        with self.refusals_kept(Decision("readmit", version, by, reason, dag_id=workload)):
            model_states.readmit(self._database, workload, version, reason, by, anew)

    def model_events(self, workload: str) -> list[Row]:
        """Who did what to which version, when and why, oldest first."""
        return models.events(self._database, workload)
