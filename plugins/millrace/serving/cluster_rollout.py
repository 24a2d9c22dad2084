"""Rollout of a candidate on Kubernetes: its own Deployment, shares of requests in steps, one Service in front."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from millrace.contracts.errors import StepError
from millrace.contracts.model import ModelVersion
from millrace.contracts.serving import Verdict
from millrace.contracts.workload import ServingPolicy
from millrace.scoring.canary import MIN_REQUESTS, Measured, judge
from millrace.serving.client import Row
from millrace.serving.cluster import ServingCluster
from millrace.serving.figures import PagesSource, Source, UnmeasuredError
from millrace.serving.rollout import RolloutRevertedError
from millrace.serving.server_client import ServerClient
from millrace.serving.shares import Shares

READY_TIMEOUT_SECONDS = 300.0


@dataclass(frozen=True)
class PausedRollout:
    """A paused rollout: its last step could not be judged, for ``reason``, and the candidate keeps its share.

    ``steps`` is the number of steps taken, ``stable`` the stable version, ``replicas`` the number of servers.
    """

    stable: str
    steps: int
    replicas: int
    reason: str


class ClusterRollout:
    """Rollout on Kubernetes: smoke requests, then the policy's shares by weight or by replicas, each until its verdict.

    The stable version's pods stay up until the watch ends, so that a revert starts no pods. ``folder`` returns a
    version's folder with the spec and the serving target that its servers read; ``source`` has the metrics for verdicts
    (None: the servers' own); ``show`` gets the candidate's share in percent at each change, and None after a revert.
    If the stable version is not ``comparable``, because it takes other features, only the candidate's errors decide
    and it gets all requests in one step. ``admit`` raises if the candidate must not serve; it is called after each
    change of the share, so that a candidate that a person withdraws meanwhile loses it.
    """

    def __init__(
        self,
        cluster: ServingCluster,
        policy: ServingPolicy,
        candidate: ModelVersion,
        stable: ModelVersion | None,
        rows: Sequence[Row],
        folder: Callable[[ModelVersion], str],
        progress: Callable[[str], None] = lambda _: None,
        source: Source | None = None,
        show: Callable[[int | None], None] = lambda _: None,
        comparable: bool = True,
        admit: Callable[[], None] = lambda: None,
    ) -> None:
        self._at = cluster
        self._policy = policy
        self._candidate = candidate
        self._is_live = stable == candidate
        self._stable = None if self._is_live else stable
        self._folder = folder
        self._progress = progress
        self._show = show
        self._comparable = comparable
        self._admit = admit
        self._shares_in_turn = policy.canary_steps if comparable else (100,)
        self._source = source or PagesSource(cluster.metrics)
        self._workload = candidate.workload
        self._shares = Shares(cluster, policy, candidate, self._stable)
        self._name, self._deployment = self._shares.name, self._shares.deployment
        versions = {self._deployment: candidate.version}
        if self._stable is not None:
            versions[self._shares.stable_deployment] = self._stable.version
        self._server_client = ServerClient(cluster, policy, self._workload, rows, versions)

    @property
    def address(self) -> str:
        """Address of the workload's Service, which never changes."""
        return self._at.address(self._name)

    def advance(self) -> PausedRollout | None:
        """Raise the candidate's share from 0 to 100 % of the requests; return None when it answers all of them.

        Returns PausedRollout at a step that cannot be judged; a person then decides by ``go_on`` or ``reject``. Raises
        RolloutRevertedError if the candidate does not become ready or a step fails; then only the stable version
        answers. A second call begins with the first step.
        """
        self._at.claim(self._workload)
        with self._or_back():
            replicas = self._shares.wanted() if self._stable else 1
            self._shares.put(self._folder(self._candidate))
            if self._stable is not None:
                self._shares.suspend(replicas)
                self._give(0)
                self._shares.take_over(self._progress)
            self._at.await_ready(self._deployment, 1, READY_TIMEOUT_SECONDS, self._progress)
            self._server_client.await_answer(self._deployment)
            if self._stable is None:
                self._give(100)
                self._shares.take_over(self._progress)
                self._server_client.await_answer(self._name)
                self._smoke()
                return None
            names = (self._deployment, self._shares.stable_deployment)
            if (reason := self._judge("0 %", names)) is not None:
                return PausedRollout(self._stable.version, 0, replicas, reason)
            return self._steps(0, replicas)

    def go_on(self, held: PausedRollout) -> PausedRollout | None:
        """Continue a held rollout with the next share, after a person's approval; returns and raises as ``advance``."""
        self._refuse_overtaken(held.stable)
        with self._or_back():
            return self._steps(held.steps, held.replicas)

    def reject(self, held: PausedRollout, reason: str) -> RolloutRevertedError:
        """Revert a held rollout, after a person's rejection; return the error that ends the rollout."""
        self._refuse_overtaken(held.stable)
        self.back(reason)
        return self._reverted(reason)

    def watch(self) -> None:
        """Replay rows for ``policy.watch_seconds`` while only the candidate answers; the old version's pods stay up.

        Raises RolloutRevertedError, after a revert, if a request fails or the candidate's servers crash.
        """
        self._refuse_overtaken()
        with self._or_back():
            self._admit()
            seconds = self._policy.watch_seconds
            self._refuse_errors(lambda: self._server_client.replay(self._name, seconds, self._crash))

    def _crash(self) -> str | None:
        """Return the state of the candidate's servers as a text if one is in CrashLoopBackOff, else None."""
        found = self._at.replicas(self._deployment)
        return found.trouble if found.crashes else None

    def finish(self) -> None:
        """Remove the old version's servers; called after the ledger has made the candidate live."""
        self._shares.settle()

    def back(self, reason: str) -> None:
        """Send all requests to the stable version and delete the candidate's objects, unless the candidate is live."""
        if self._is_live:
            self._progress(f"version {self._candidate.version} is live and stays: {reason}")
            return
        self._shares.back()
        self._show(None)
        self._progress(f"back to version {self._stable.version} alone: {reason}" if self._stable else reason)

    def abandon(self, reason: str) -> bool:
        """Revert if this rollout was left unfinished and no other has replaced it; return whether it was reverted."""
        if self._is_live or not self._shares.candidate_servers():
            return False
        self.back(reason)
        return True

    def _steps(self, taken: int, replicas: int) -> PausedRollout | None:
        """Give the policy's shares after the first ``taken`` in turn; stop at one that cannot be judged."""
        assert self._stable is not None
        for number, percent in enumerate(self._shares_in_turn[taken:], start=taken + 1):
            if (reason := self._step(percent, replicas)) is not None:
                return PausedRollout(self._stable.version, number, replicas, reason)
        return None

    def _step(self, percent: int, replicas: int) -> str | None:
        """Give one share: wait for the candidate's servers, then remove the stable servers that they replace."""
        ours, theirs = self._shares.servers(percent, replicas)
        self._at.scale(self._deployment, ours)
        self._at.await_ready(self._deployment, ours, READY_TIMEOUT_SECONDS, self._progress)
        self._at.scale(self._shares.stable_deployment, theirs)
        self._give(percent)
        share = f"{percent} % ({ours} of {ours if percent >= 100 else ours + theirs} servers)"
        return self._judge(share, (self._name, self._deployment, self._shares.stable_deployment))

    def _give(self, percent: int) -> None:
        self._shares.give(percent)
        self._show(percent)
        self._admit()

    def _judge(self, share: str, names: tuple[str, ...]) -> str | None:
        """Send requests to each service and compare both versions' metrics; return a reason if they are inconclusive.

        A failure without request errors counts only if a second measurement repeats it: a machine may stall briefly.
        """
        assert self._stable is not None
        if not self._comparable:
            self._smoke()
            return None

        def ask() -> None:
            for _ in range(max(MIN_REQUESTS, self._policy.requests_per_step)):
                for name in names:
                    self._server_client.ask(name)

        verdict, erred = self._verdict(ask, self._stable.version)
        if verdict.outcome == "fail" and not erred:
            self._progress(f"{share}: too slow or too costly; measured again: {verdict.reasons[0]}")
            verdict, _ = self._verdict(ask, self._stable.version)
        for reason in verdict.reasons:
            self._progress(f"{share}: {verdict.outcome}: {reason}")
        if verdict.outcome == "fail":
            raise self._reverted(f"at {share}: fail: {verdict.reasons[0]}")
        return None if verdict.outcome == "pass" else f"at {share}: {verdict.reasons[0]}"

    def _verdict(self, ask: Callable[[], None], stable: str) -> tuple[Verdict, bool]:
        """Return the verdict on the metrics, and whether a request failed. Of 20 requests one slow one sets the p99."""
        try:
            canary, other = self._measure(ask, self._candidate.version, stable)
            return judge(self._policy, canary, other), canary.errors > 0
        except UnmeasuredError as error:
            return Verdict(outcome="inconclusive", reasons=(str(error),)), False

    def _smoke(self) -> None:
        def ask() -> None:
            for _ in range(self._policy.requests_per_step):
                self._server_client.ask(self._deployment)

        self._refuse_errors(ask)
        self._progress(f"version {self._candidate.version} answers when asked alone")

    def _refuse_errors(self, ask: Callable[[], None]) -> None:
        """Send requests by ``ask``, which raises if one fails; raise, too, if clients' requests failed meanwhile."""
        try:
            (figures,) = self._measure(ask, self._candidate.version)
        except UnmeasuredError as error:
            self._progress(f"our own requests were answered; of others nothing is known: {error}")
            return
        if figures.errors and figures.errors / figures.requests > self._policy.max_error_rate:
            raise self._reverted(f"{figures.errors:.4g} of {figures.requests:.4g} requests erred")

    def _measure(self, ask: Callable[[], None], *versions: str) -> list[Measured]:
        """Return the versions' metrics while ``ask`` sends requests. Raises UnmeasuredError after calling ``ask``."""
        reading, unknown = None, UnmeasuredError()
        try:
            reading = self._source.begin(self._workload, versions)
        except UnmeasuredError as error:
            unknown = error
        ask()
        if reading is None:
            raise unknown
        return [reading.of(version) for version in versions]

    def _refuse_overtaken(self, stable: str | None = None) -> None:
        """Delete the candidate's objects and raise RolloutRevertedError if another rollout has replaced this one."""
        replaced = stable is not None and (self._stable is None or self._stable.version != stable)
        if replaced or not self._shares.candidate_servers():
            self._shares.take_away()
            raise self._reverted("another rollout came between, and its version has the requests")

    def _reverted(self, reason: str) -> RolloutRevertedError:
        return RolloutRevertedError(reason, where=f"deployment {self._deployment}")

    @contextmanager
    def _or_back(self) -> Iterator[None]:
        try:
            yield
        except StepError as error:
            self.back(error.what)
            if isinstance(error, RolloutRevertedError):
                raise
            raise self._reverted(error.what) from error
