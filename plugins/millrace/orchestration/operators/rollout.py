"""Rolls out a candidate in canary steps on this machine's model server."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from airflow.sdk import Context

from millrace.contracts.errors import RefusedError, StepError
from millrace.contracts.model import ModelVersion
from millrace.contracts.reasons import ReasonCode
from millrace.contracts.report import EvaluateResult
from millrace.ledger.audit import once_for
from millrace.ledger.records import Decision
from millrace.orchestration.approval import GATE
from millrace.orchestration.attempts import Skipped
from millrace.orchestration.operators.workload import WorkloadOperator
from millrace.orchestration.run_entry import actor
from millrace.orchestration.servers.model_server import access, ensure_server, put_back
from millrace.runs import step_specs
from millrace.runs.run import Run
from millrace.serving.client import read_replay
from millrace.serving.rollout import Rollout, RolloutRevertedError, ServerLostError
from millrace.serving.server_files import ServerFiles

LOOK_SECONDS = 1.0
SLACK_SECONDS = 120.0


class RolloutOperator(WorkloadOperator):
    """Rolls out a candidate until it answers all requests and the old version is ready to take over again.

    After any failure the old version answers alone. A candidate that a person took back, or that this run rejected,
    gets no requests: the ledger is asked before each share. Rejections of the same version by other runs do not count.
    """

    def work(self, run: Run, context: Context) -> Any:  # noqa: ANN401 - Airflow's own
        """Load the candidate, send smoke requests, raise its share. Skips if a model trained on newer data is live."""
        candidate = step_specs.result_of(run, self.ledger, "evaluate", EvaluateResult).candidate.model
        with self.rejecting(run, candidate):  # an earlier attempt may have given it a share
            self.admit_candidate(run, candidate)
            server_files = ensure_server(run, self.settings)
            self._let_others_finish(run, server_files, candidate)
            self.admit_candidate(run, candidate)
            status = self.rollout(run, server_files, candidate).advance()
        return {"address": status.address, "version": candidate.version}

    def rollout(self, run: Run, server_files: ServerFiles, candidate: ModelVersion) -> Rollout:
        """Return the rollout that replaces the live version with this run's candidate."""
        replay_uri = step_specs.result_of(run, self.ledger, "evaluate", EvaluateResult).replay_uri
        live = self.ledger.live_model(run.workload.name)
        return Rollout(
            server_files,
            run.workload.serving,
            candidate,
            live.model if live else None,
            read_replay(replay_uri),
            progress=lambda line: self.log.info("%s", line),
            comparable=step_specs.is_comparable(run, self.ledger, live),
            admit=lambda: self.admit_candidate(run, candidate),
            access=access(self.settings),
        )

    @contextmanager
    def rejecting(self, run: Run, candidate: ModelVersion) -> Iterator[None]:
        """After any error of the block, make the live version answer alone; reject a candidate that was reverted."""
        try:
            yield
        except BaseException as error:
            if isinstance(error, RolloutRevertedError) and not isinstance(error, ServerLostError):
                self.ledger.reject(candidate.workload, candidate.version, error.reason, by=actor(run))
            try:
                reason = error.what if isinstance(error, RefusedError) else "the rollout did not end"
                self.put_back(run, candidate, reason)
            except (StepError, OSError) as other:  # `finish` does it again
                self.log.error("the candidate may still have a share of the requests: %s", other)
            raise

    def is_live(self, candidate: ModelVersion) -> bool:
        """Return whether the ledger names this version as live."""
        live = self.ledger.live_model(candidate.workload)
        return live is not None and live.model == candidate

    def put_back(self, run: Run, candidate: ModelVersion, reason: str) -> None:
        """Make the ledger's live version answer alone; without one the server ends."""
        put_back(self.settings, run.workload.name, candidate)

    def admit_candidate(self, run: Run, candidate: ModelVersion) -> None:
        """Check that a candidate may get requests, and make it a candidate again in the ledger.

        Raises Skipped if a model trained on newer data is live. Raises RefusedError for a candidate that this run's
        gate failed, this run's rollout reverted or a person took back, and for one that the gate could not decide and
        no second person approved, where the workload wants two people.
        """
        verdict = self.ledger.newest_verdict(run.dag_id, run.run_id)
        if verdict is not None and verdict.outcome == "fail":
            raise RefusedError(
                f"the gate failed this candidate: {verdict.reasons[0]}",
                where=f"{candidate.workload} / {candidate.version}",
                rule="a run rolls out what its own gate let through",
                remedy="change the policy or the data, then clear the task gate",
                code=ReasonCode.GATE_REJECTED,
            )
        if verdict is not None and verdict.outcome == "inconclusive" and run.workload.approval.two_people:
            answer = self.ledger.newest_answer(run.dag_id, run.run_id, GATE)
            if answer is None or answer["action"] != "approve":
                raise RefusedError(
                    "the gate could not decide, and nobody has approved this candidate",
                    where=f"{candidate.workload} / {candidate.version}",
                    rule="the workload's approval policy wants two people: marking the task approve is no answer",
                    remedy="clear the task approve, and have somebody else than who triggered the run answer it",
                    code=ReasonCode.APPROVAL_REJECTED,
                )
        live = self.ledger.live_model(run.workload.name)
        ours = step_specs.planned(run, self.ledger).dataset
        if live and live.dataset.age > ours.age:
            newer = f"version {live.model.version}, live, was trained on newer data ({live.dataset.described})"
            by = actor(run)
            once = once_for(by.run, "superseded", candidate.version, newer) if by.run else None
            refused = Decision("promote", candidate.version, by, "rolled out", newer, "refused", once=once)
            self.ledger.record_decision(refused)
            raise Skipped(f"superseded: {newer}", ReasonCode.SUPERSEDED)
        self.ledger.readmit(candidate.workload, candidate.version, "rolled out", by=actor(run))

    def _let_others_finish(self, run: Run, server_files: ServerFiles, candidate: ModelVersion) -> None:
        """Wait for the end of another run's canary, or until it is overdue: one rollout at a time."""
        deadline = time.monotonic() + 2 * run.workload.serving.watch_seconds + SLACK_SECONDS
        while time.monotonic() < deadline:
            target, status = server_files.read_target(), server_files.read_status()
            other = target.canary if target else None
            if other is None or other == candidate or (status and status.state in ("reverted", "failed")):
                return
            self.log.info("version %s of another run is being watched", other.version)
            time.sleep(LOOK_SECONDS)
