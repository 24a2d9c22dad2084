"""Rulings of policies on a step that is about to start, and what policies base them on."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property

from millrace.contracts.plan import Plan
from millrace.contracts.reasons import ReasonCode
from millrace.ledger.ledger import Ledger
from millrace.ledger.records import RunKey
from millrace.runs import step_specs
from millrace.runs.run import Run
from millrace.settings import Settings
from millrace.sizing.catalogue import Site

APPROVE, APPROVE_REST, REJECT = "Approve", "Approve the rest", "Reject"


@dataclass(frozen=True)
class Allow:
    """Let the step start."""


@dataclass(frozen=True)
class Defer:
    """Defer the step until ``until``, then ask its policy again; ``about`` is the reason.

    ``since`` is the time of the first deferral, if the policy limits the wait; the next ``Admission`` has it.
    """

    until: datetime
    about: str
    since: datetime | None = None


@dataclass(frozen=True)
class Skip:
    """Skip the step; ``code`` decides the run's outcome."""

    reason: str
    code: ReasonCode


@dataclass(frozen=True)
class ApprovalRequest:
    """An approval request to a person; without an answer within 24 h it counts as rejected.

    ``about`` is the reason for the request; ``code`` decides how the answer is handled.
    """

    subject: str
    about: str
    body: str
    options: tuple[str, ...] = (APPROVE, REJECT)
    code: ReasonCode | None = None


Ruling = Allow | Defer | Skip | ApprovalRequest


@dataclass(frozen=True)
class Admission:
    """A step that is about to start, for its policies to rule on.

    ``later_in_flight`` counts the backfill runs in flight that may still publish a later day, given the ledger's states
    of later days. ``deferred_since`` is that of the last Defer.
    """

    run: Run
    ledger: Ledger
    settings: Settings
    later_in_flight: Callable[[dict[date, str]], int]
    deferred_since: datetime | None = None

    @cached_property
    def site(self) -> Site:
        """The site's entry of the catalogue."""
        return self.settings.site_rates()

    @property
    def key(self) -> RunKey:
        """The run's key in the ledger."""
        return RunKey(self.run.dag_id, self.run.run_id, self.run.repeat)

    @property
    def plan(self) -> Plan:
        """The run's plan. Raises TransientError if it has none."""
        return step_specs.planned(self.run, self.ledger)


Policy = Callable[[Admission], Ruling]
"""Rules on a step. An approval or the end of a deferral repeats it. Raises RefusedError to fail the step."""


def all_of(*policies: Policy) -> Policy:
    """Return the policy that allows what each of these allows; the first other ruling counts."""

    def ruling(admission: Admission) -> Ruling:
        for policy in policies:
            found = policy(admission)
            if not isinstance(found, Allow):
                return found
        return Allow()

    return ruling
