"""A candidate's way into service on Kubernetes: a Deployment of its own, shares in steps, one Service in front."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from millrace.contracts.errors import StepError
from millrace.contracts.model import ModelVersion
from millrace.contracts.serving import Verdict
from millrace.contracts.workload import ServingPolicy
from millrace.serving.asking import Asker
from millrace.serving.client import Row
from millrace.serving.cluster import ServingCluster
from millrace.serving.figures import MIN_REQUESTS, Measured, PagesSource, Source, UnmeasuredError, judge_step
from millrace.serving.rollout import RolloutRevertedError
from millrace.serving.shares import Shares

READY_TIMEOUT_SECONDS = 300.0


@dataclass(frozen=True)
class Held:
    """A rollout at rest: its last step could not be judged, for ``reason``, and the candidate keeps its share.

    ``steps`` of the policy's are taken, over the version ``stable``, of ``replicas`` servers.
    """

    stable: str
    steps: int
    replicas: int
    reason: str


class ClusterRollout:
    """Smoke requests, then the policy's shares, by weight or by replicas; each is held until its verdict.

    The stable version's pods stay up until the watch is over, so that going back starts none. ``folder`` of a version
    holds the spec and the target that its servers read; ``source`` is what verdicts rest on, the servers' own metrics
    where it is None; ``show`` hears the candidate's share in percent whenever it changes, None once it has gone.
    Where the stable version is not ``comparable``, since it takes other features, the candidate's own errors decide,
    and no share is between none and all. ``admit`` raises where the candidate may answer nobody; it is asked again once
    each share is given, so that what a person takes back meanwhile loses it.
    """

    def __init__(
        self,
        cluster: ServingCluster,
        policy: ServingPolicy,
        candidate: ModelVersion,
        stable: ModelVersion | None,
        rows: Sequence[Row],
        folder: Callable[[ModelVersion], str],
        say: Callable[[str], None] = lambda _: None,
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
        self._say = say
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
        self._asker = Asker(cluster, policy, self._workload, rows, versions)

    @property
    def address(self) -> str:
        """The workload's Service, which never changes."""
        return self._at.address(self._name)

    def advance(self) -> Held | None:
        """Bring the candidate from no request to all of them; None when it answers every request.

        A step that cannot be judged holds there: ``go_on`` and ``reject`` are a person's answers. Raises
        RolloutRevertedError when the candidate does not become ready, or a step fails; the stable version alone
        answers then. Begun again, it begins with the first step.
        """
        self._at.claim(self._workload)
        with self._or_back():
            replicas = self._shares.wanted() if self._stable else 1
            self._shares.put(self._folder(self._candidate))
            if self._stable is not None:
                self._shares.suspend(replicas)
                self._give(0)
                self._shares.take_over(self._say)
            self._at.await_ready(self._deployment, 1, READY_TIMEOUT_SECONDS, self._say)
            self._asker.await_answer(self._deployment)
            if self._stable is None:
                self._give(100)
                self._shares.take_over(self._say)
                self._asker.await_answer(self._name)
                self._smoke()
                return None
            names = (self._deployment, self._shares.stable_deployment)
            if (reason := self._judge("0 %", names)) is not None:
                return Held(self._stable.version, 0, replicas, reason)
            return self._steps(0, replicas)

    def go_on(self, held: Held) -> Held | None:
        """A person lets the candidate have its next share; returns and raises as ``advance`` does."""
        self._refuse_overtaken(held.stable)
        with self._or_back():
            return self._steps(held.steps, held.replicas)

    def reject(self, held: Held, reason: str) -> RolloutRevertedError:
        """A person does not: the stable version alone answers. Returns the error that ends the rollout."""
        self._refuse_overtaken(held.stable)
        self.back(reason)
        return self._reverted(reason)

    def watch(self) -> None:
        """Replay rows for ``policy.watch_seconds`` while the candidate answers alone, the old version standing by."""
        self._refuse_overtaken()
        with self._or_back():
            self._admit()
            seconds = self._policy.watch_seconds
            self._refuse_errors(lambda: self._asker.replay(self._name, seconds, self._crash))

    def _crash(self) -> str | None:
        """What the candidate's servers say of themselves where one crashes again and again."""
        found = self._at.replicas(self._deployment)
        return found.trouble if found.crashes else None

    def finish(self) -> None:
        """Release the old version; the ledger calls the candidate live by now."""
        self._shares.settle()

    def back(self, reason: str) -> None:
        """Let the stable version answer alone and take the candidate away, unless the candidate is what is live."""
        if self._is_live:
            self._say(f"version {self._candidate.version} is live and stays: {reason}")
            return
        self._shares.back()
        self._show(None)
        self._say(f"back to version {self._stable.version} alone: {reason}" if self._stable else reason)

    def abandon(self, reason: str) -> bool:
        """Go back where this rollout was left half-way, unless another one goes on since; whether it was."""
        if self._is_live or not self._shares.candidate_servers():
            return False
        self.back(reason)
        return True

    def _steps(self, taken: int, replicas: int) -> Held | None:
        """The policy's shares after the first ``taken``, up to one that cannot be judged."""
        assert self._stable is not None
        for number, percent in enumerate(self._shares_in_turn[taken:], start=taken + 1):
            if (reason := self._step(percent, replicas)) is not None:
                return Held(self._stable.version, number, replicas, reason)
        return None

    def _step(self, percent: int, replicas: int) -> str | None:
        """One share: the candidate's servers become ready, then the stable ones that it replaces go."""
        ours, theirs = self._shares.servers(percent, replicas)
        self._at.scale(self._deployment, ours)
        self._at.await_ready(self._deployment, ours, READY_TIMEOUT_SECONDS, self._say)
        self._at.scale(self._shares.stable_deployment, theirs)
        self._give(percent)
        share = f"{percent} % ({ours} of {ours if percent >= 100 else ours + theirs} servers)"
        return self._judge(share, (self._name, self._deployment, self._shares.stable_deployment))

    def _give(self, percent: int) -> None:
        self._shares.give(percent)
        self._show(percent)
        self._admit()

    def _judge(self, share: str, names: tuple[str, ...]) -> str | None:
        """Ask by each service, then let both versions' figures decide; the reason where they cannot.

        A failure without an error counts once it is repeated: a machine that stood still for a moment is no verdict.
        """
        assert self._stable is not None
        if not self._comparable:
            self._smoke()
            return None

        def ask() -> None:
            for _ in range(max(MIN_REQUESTS, self._policy.requests_per_step)):
                for name in names:
                    self._asker.ask(name)

        verdict, erred = self._verdict(ask, self._stable.version)
        if verdict.outcome == "fail" and not erred:
            self._say(f"{share}: too slow, or too costly, and so asked once more: {verdict.reasons[0]}")
            verdict, _ = self._verdict(ask, self._stable.version)
        for reason in verdict.reasons:
            self._say(f"{share}: {verdict.outcome}: {reason}")
        if verdict.outcome == "fail":
            raise self._reverted(f"at {share}: fail: {verdict.reasons[0]}")
        return None if verdict.outcome == "pass" else f"at {share}: {verdict.reasons[0]}"

    def _verdict(self, ask: Callable[[], None], stable: str) -> tuple[Verdict, bool]:
        """What the figures say, and whether a request erred. One slow request of twenty is a p99 already."""
        try:
            canary, other = self._measure(ask, self._candidate.version, stable)
            return judge_step(self._policy, canary, other), canary.errors > 0
        except UnmeasuredError as error:
            return Verdict(outcome="inconclusive", reasons=(str(error),)), False

    def _smoke(self) -> None:
        def ask() -> None:
            for _ in range(self._policy.requests_per_step):
                self._asker.ask(self._deployment)

        self._refuse_errors(ask)
        self._say(f"version {self._candidate.version} answers when asked alone")

    def _refuse_errors(self, ask: Callable[[], None]) -> None:
        """Ask, and go back where others' requests erred meanwhile; ours raise at once."""
        try:
            (figures,) = self._measure(ask, self._candidate.version)
        except UnmeasuredError as error:
            self._say(f"our own requests were answered; of others nothing is known: {error}")
            return
        if figures.errors and figures.errors / figures.requests > self._policy.max_error_rate:
            raise self._reverted(f"{figures.errors:.4g} of {figures.requests:.4g} requests erred")

    def _measure(self, ask: Callable[[], None], *versions: str) -> list[Measured]:
        """Versions' figures over what ``ask`` sends, which it does in any case. Raises UnmeasuredError."""
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
        """Raises RolloutRevertedError where another rollout came between: what answers is that one's to say."""
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
