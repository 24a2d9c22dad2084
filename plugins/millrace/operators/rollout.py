"""Gives a candidate its share of the requests, step by step."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowSkipException

from millrace import orders
from millrace.contracts.model import ModelVersion
from millrace.contracts.report import EvaluateResult
from millrace.model_server import ensure_server, withdraw
from millrace.operators.workload import WorkloadOperator
from millrace.run import Run
from millrace.serving.client import read_replay
from millrace.serving.rollout import Rollout, RolloutRevertedError
from millrace.serving.room import ServingRoom

LOOK_SECONDS = 1.0
SLACK_SECONDS = 120.0


class RolloutOperator(WorkloadOperator):
    """Ends with every request at the candidate, the old one standing by; at any failure the old one alone answers."""

    def work(self, run: Run, context: Context) -> Any:  # noqa: ANN401 - Airflow's own
        """Load, smoke, canary steps. Skips where a model trained on newer data is live."""
        candidate = orders.result_of(run, self.ledger, "evaluate", EvaluateResult).candidate.model
        self.refuse_older(run)
        room = ensure_server(run, self.settings)
        self._let_others_finish(run, room, candidate)
        self.refuse_older(run)
        with self.rejecting(run, candidate, lambda: withdraw(room, self.settings)):
            status = self.rollout(run, room, candidate).advance()
        return {"address": status.address, "version": candidate.version}

    def rollout(self, run: Run, room: ServingRoom, candidate: ModelVersion) -> Rollout:
        """The rollout of this run's candidate over the live version."""
        replay_uri = orders.result_of(run, self.ledger, "evaluate", EvaluateResult).replay_uri
        live = self.ledger.live_model(run.workload.name)
        return Rollout(
            room,
            run.workload.serving,
            candidate,
            live.model if live else None,
            read_replay(replay_uri),
            progress=lambda line: self.log.info("%s", line),
        )

    @contextmanager
    def rejecting(self, run: Run, candidate: ModelVersion, take_away: Callable[[], None]) -> Iterator[None]:
        """Have the ledger reject a candidate that was reverted; with no live version nothing is served then."""
        try:
            yield
        except RolloutRevertedError as error:
            self.ledger.reject(candidate.workload, candidate.version, error.reason)
            if self.ledger.live_model(run.workload.name) is None:
                take_away()
            raise

    def refuse_older(self, run: Run) -> None:
        """Raises AirflowSkipException where a model trained on newer data is live."""
        live = self.ledger.live_model(run.workload.name)
        ours = orders.planned(run, self.ledger).dataset
        if live and (live.dataset.until, live.dataset.version) > (ours.until, ours.version):
            raise AirflowSkipException(
                f"superseded: version {live.model.version}, live, was trained on data up to {live.dataset.until}"
            )

    def _let_others_finish(self, run: Run, room: ServingRoom, candidate: ModelVersion) -> None:
        """One rollout at a time: another run's canary is watched to its end, or taken over once it is overdue."""
        deadline = time.monotonic() + 2 * run.workload.serving.watch_seconds + SLACK_SECONDS
        while time.monotonic() < deadline:
            target, status = room.read_target(), room.read_status()
            other = target.canary if target else None
            if other is None or other == candidate or (status and status.state in ("reverted", "failed")):
                return
            self.log.info("version %s of another run is being watched", other.version)
            time.sleep(LOOK_SECONDS)
