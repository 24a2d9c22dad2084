"""The candidate of a run: whether it may get requests, its rollout, and what is undone after an error."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from millrace.contracts.errors import RefusedError, StepError
from millrace.contracts.model import ModelVersion
from millrace.contracts.reasons import ReasonCode
from millrace.contracts.report import EvaluateResult
from millrace.ledger.audit import once_for
from millrace.ledger.ledger import Ledger
from millrace.ledger.records import Decision
from millrace.orchestration.approval import GATE
from millrace.orchestration.attempts import Skipped
from millrace.orchestration.run_entry import actor
from millrace.orchestration.servers.servers import Servers
from millrace.runs import step_specs
from millrace.runs.run import Run
from millrace.serving.client import read_replay
from millrace.serving.rollout import Rollout
from millrace.serving.server_files import Progress
from millrace.serving.traffic import Replacement, RolloutRevertedError, ServerLostError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Candidate:
    """Candidate ``model`` of a run.

    After any failure the version before it answers alone. A candidate that a person took back, or that this run
    rejected, gets no requests: the ledger is asked before each share. Rejections of the same version by other runs do
    not count.
    """

    run: Run
    model: ModelVersion
    ledger: Ledger
    servers: Servers
    progress: Progress

    @classmethod
    def of(cls, run: Run, ledger: Ledger, servers: Servers, progress: Progress) -> "Candidate":
        """Return the version that the run's evaluation has scored."""
        model = step_specs.result_of(run, ledger, "evaluate", EvaluateResult).candidate.model
        return cls(run, model, ledger, servers, progress)

    def is_live(self) -> bool:
        """Return whether the ledger names this version as live."""
        live = self.ledger.live_model(self.model.workload)
        return live is not None and live.model == self.model

    def rollout(self) -> Rollout:
        """Return the rollout that replaces the live version with this candidate."""
        run, live = self.run, self.ledger.live_model(self.run.workload.name)
        replacement = Replacement(
            self.model,
            live.model if live else None,
            run.workload.serving,
            read_replay(step_specs.result_of(run, self.ledger, "evaluate", EvaluateResult).replay_uri),
            self.progress,
            step_specs.is_comparable(run, self.ledger, live),
            self.admit,
        )
        return Rollout(replacement, self.servers.traffic(run, replacement))

    @contextmanager
    def rejecting(self) -> Iterator[None]:
        """After any error of the block, make the live version answer alone; reject a candidate that was reverted."""
        try:
            yield
        except BaseException as error:
            if isinstance(error, RolloutRevertedError) and not isinstance(error, ServerLostError):
                self.reject(error.reason)
            try:
                reason = error.what if isinstance(error, RefusedError) else "the rollout did not end"
                self.put_back(reason)
            except (StepError, OSError) as other:  # `finish` does it again
                log.error("the candidate may still have a share of the requests: %s", other)
            raise

    def put_back(self, reason: str) -> bool:
        """Make the ledger's live version answer alone; return whether the candidate lost servers of its own."""
        return self.servers.put_back(self.run, self.model, reason, self.progress)

    def reject(self, reason: str) -> None:
        """Record in the ledger that this run has rejected its candidate."""
        self.ledger.reject(self.model.workload, self.model.version, reason, by=actor(self.run))

    def admit(self) -> None:
        """Check that the candidate may get requests, and make it a candidate again in the ledger.

        Raises Skipped if a model trained on newer data is live. Raises RefusedError for a candidate that this run's
        gate failed, this run's rollout reverted or a person took back, and for one that the gate could not decide and
        no second person approved, where the workload wants two people.
        """
        run, where = self.run, f"{self.model.workload} / {self.model.version}"
        verdict = self.ledger.newest_verdict(run.dag_id, run.run_id)
        if verdict is not None and verdict.outcome == "fail":
            raise RefusedError(
                f"the gate failed this candidate: {verdict.reasons[0]}",
                where=where,
                rule="a run rolls out what its own gate let through",
                remedy="change the policy or the data, then clear the task gate",
                code=ReasonCode.GATE_REJECTED,
            )
        if verdict is not None and verdict.outcome == "inconclusive" and run.workload.approval.two_people:
            answer = self.ledger.newest_answer(run.dag_id, run.run_id, GATE)
            if answer is None or answer["action"] != "approve":
                raise RefusedError(
                    "the gate could not decide, and nobody has approved this candidate",
                    where=where,
                    rule="the workload's approval policy wants two people: marking the task approve is no answer",
                    remedy="clear the task approve, and have somebody else than who triggered the run answer it",
                    code=ReasonCode.APPROVAL_REJECTED,
                )
        self._skip_superseded()
        self.ledger.readmit(self.model.workload, self.model.version, "rolled out", by=actor(run))

    def _skip_superseded(self) -> None:
        live = self.ledger.live_model(self.run.workload.name)
        ours = step_specs.planned(self.run, self.ledger).dataset
        if live and live.dataset.age > ours.age:
            newer = f"version {live.model.version}, live, was trained on newer data ({live.dataset.described})"
            by = actor(self.run)
            once = once_for(by.run, "superseded", self.model.version, newer) if by.run else None
            refused = Decision("promote", self.model.version, by, "rolled out", newer, "refused", once=once)
            self.ledger.record_decision(refused)
            raise Skipped(f"superseded: {newer}", ReasonCode.SUPERSEDED)
