"""The ledger's methods for model versions and their states."""

from millrace.ledger import model_states, models
from millrace.ledger.audit_ledger import AuditLedger
from millrace.ledger.database import Row
from millrace.ledger.records import Actor, Decision, LiveModel, RecordedModel


class ModelLedger(AuditLedger):
    """A workload's model versions; a base class of Ledger. The audit records each change and each refusal."""

    def live_model(self, workload: str) -> LiveModel | None:
        """Return the live version; None if there is none."""
        return models.live_model(self._database, workload)

    def model(self, workload: str, version: str) -> RecordedModel | None:
        """Return a version in any state; None if it does not exist."""
        return models.model(self._database, workload, version)

    def promote(self, workload: str, version: str, *, by: Actor, reason: str = "rolled out") -> str | None:
        """Make a version live, retire the live one and return its name; a repeated call changes nothing.

        A run promotes a version that it has judged, whatever other runs decided about it; a person promotes only a
        candidate. Raises RefusedError if the live version was trained on newer data (a later last day, or the same day
        in a later dataset version), if a person rolled the version back, this run rejected it or its files were swept;
        BadInputError if it is unknown.
        """
        with self.refusals_kept(Decision("promote", version, by, reason, dag_id=workload)):
            return model_states.promote(self._database, workload, version, by, reason)

    def revert(self, workload: str, version: str, reason: str, *, by: Actor) -> str | None:
        """Roll a version back; if it was live, the last live version that was not rolled back becomes live again.

        A version that a person rolls back cannot go live until a person readmits it; after a rollback by a run, another
        run may judge it. Returns the version that is live afterwards, or None; a repeated call changes nothing. Raises
        RefusedError if a run rolls back a rejected version, BadInputError for an unknown version.
        """
        with self.refusals_kept(Decision("roll_back", version, by, reason, dag_id=workload)):
            return model_states.revert(self._database, workload, version, reason, by)

    def reject(self, workload: str, version: str, reason: str, *, by: Actor) -> None:
        """Record that a run rejected a candidate, which does not bind later runs; a repeated call changes nothing.

        A version that was live before and was then replaced becomes retired again, so that a rollback can restore it.
        The live version and one that was rolled back keep their state; the run's row holds the verdict.
        """
        with self.refusals_kept(Decision("reject", version, by, reason, dag_id=workload)):
            model_states.reject(self._database, workload, version, reason, by)

    def readmit(self, workload: str, version: str, reason: str, *, by: Actor, anew: bool = False) -> None:
        """Make a rejected, retired or rolled-back version a candidate again; other states stay.

        Raises RefusedError if ``by`` is a run and a person rolled the version back (the error names who, when, why and
        the remedy) or this repeat rejected it and does not judge it ``anew``; for any actor if its files were swept.
        """
        with self.refusals_kept(Decision("readmit", version, by, reason, dag_id=workload)):
            model_states.readmit(self._database, workload, version, reason, by, anew)

    def model_events(self, workload: str) -> list[Row]:
        """Return the changes of a workload's versions: actor, event, time and reason, oldest first."""
        return models.events(self._database, workload)
