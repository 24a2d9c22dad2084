"""Traffic on Kubernetes: a Deployment for each version, one Service in front, shares by weight or by replicas."""

from collections.abc import Callable

from millrace.contracts.errors import StepError
from millrace.contracts.serving import Verdict
from millrace.scoring.canary import MIN_REQUESTS, Measured, judge
from millrace.serving.cluster import ServingCluster
from millrace.serving.figures import PagesSource, Source, UnmeasuredError
from millrace.serving.server_client import ServerClient
from millrace.serving.shares import Shares
from millrace.serving.traffic import LOAD_TIMEOUT_SECONDS, Replacement, RolloutRevertedError, Traffic


class ClusterTraffic(Traffic):
    """Traffic by Deployments; the metrics of both versions decide about each step.

    The stable version's pods stay up until the watch ends, so that a revert starts no pods. ``folder`` is the
    candidate's folder with the spec and the serving target that its servers read; ``source`` has the metrics (None: the
    servers' own); ``show`` gets the candidate's share in percent at each change, and None after a revert.
    """

    def __init__(
        self,
        replacement: Replacement,
        cluster: ServingCluster,
        folder: str,
        source: Source | None = None,
        show: Callable[[int | None], None] = lambda _: None,
    ) -> None:
        self._at = cluster
        self._replacement = replacement
        self._policy, self._progress = replacement.policy, replacement.progress
        self._candidate, self._stable = replacement.candidate, replacement.stable
        self._is_live = replacement.live == replacement.candidate
        self._folder = folder
        self._show = show
        self._source = source or PagesSource(cluster.metrics)
        self._workload = replacement.candidate.workload
        self._shares = Shares(cluster, self._policy, self._candidate, self._stable)
        self._name, self._deployment = self._shares.name, self._shares.deployment
        versions = {self._deployment: self._candidate.version}
        if self._stable is not None:
            versions[self._shares.stable_deployment] = self._stable.version
        self._server_client = ServerClient(cluster, self._policy, self._workload, replacement.rows, versions)

    @property
    def address(self) -> str:
        """Address of the workload's Service."""
        return self._at.address(self._name)

    def claim(self) -> None:
        """See Traffic."""
        self._at.claim(self._workload)

    def bring_up(self) -> int:
        """See Traffic. An earlier rollout that was left with a share loses it."""
        servers = self._shares.wanted() if self._stable else 1
        self._shares.put(self._folder)
        if self._stable is not None:
            self._shares.suspend(servers)
            self._change(0)
            self._shares.take_over(self._progress)
        self._at.await_ready(self._deployment, 1, LOAD_TIMEOUT_SECONDS, self._progress)
        self._server_client.await_answer(self._deployment)
        if self._stable is None:
            self._change(100)
            self._shares.take_over(self._progress)
            self._server_client.await_answer(self._name)
        return servers

    def give(self, percent: int, servers: int) -> str:
        """See Traffic. The candidate's servers are awaited before the stable servers that they replace are removed."""
        ours, theirs = self._shares.servers(percent, servers)
        self._at.scale(self._deployment, ours)
        self._at.await_ready(self._deployment, ours, LOAD_TIMEOUT_SECONDS, self._progress)
        self._at.scale(self._shares.stable_deployment, theirs)
        self._change(percent)
        return f"{percent} % ({ours} of {ours if percent >= 100 else ours + theirs} servers)"

    def trial(self, percent: int) -> Verdict:
        """Send requests to each service and judge both versions' metrics.

        A failure without request errors counts only if a second measurement repeats it: a machine may stall briefly,
        and of 20 requests one slow one sets the p99.
        """
        if self._stable is None or not self._replacement.comparable:
            found = self._refuse_errors(lambda: self._ask(self._policy.requests_per_step, self._deployment))
            return Verdict(outcome="pass", reasons=(f"answers when asked alone: {found}",))
        versions = (self._candidate.version, self._stable.version)
        names = (self._deployment, self._shares.stable_deployment, *((self._name,) if percent else ()))
        times = max(MIN_REQUESTS, self._policy.requests_per_step)

        def measure() -> list[Measured]:
            return self._measure(lambda: self._ask(times, *names), *versions)

        try:
            canary, stable = measure()
            verdict = judge(self._policy, canary, stable)
            if verdict.outcome == "fail" and not canary.errors:
                self._progress(f"{percent} %: too slow or too costly; measured again: {verdict.reasons[0]}")
                verdict = judge(self._policy, *measure())
        except UnmeasuredError as error:
            return Verdict(outcome="inconclusive", reasons=(str(error),))
        return verdict

    def replay(self, seconds: float) -> str:
        """See Traffic. Raises, too, if the candidate's servers crash."""
        self._replacement.admit()
        return self._refuse_errors(lambda: self._server_client.replay(self._name, seconds, self._crash))

    def settle(self) -> None:
        """See Traffic."""
        self._shares.settle()

    def back(self) -> bool:
        """See Traffic. Deletes the candidate's objects, unless it is live."""
        if self._is_live:
            return False
        self._shares.back()
        self._show(None)
        return True

    def refuse_overtaken(self, stable: str | None = None) -> None:
        """See Traffic. Deletes the candidate's objects if it was replaced."""
        replaced = stable is not None and (self._stable is None or self._stable.version != stable)
        if replaced or not self._shares.candidate_servers():
            self._shares.take_away()
            raise self._reverted("another rollout came between, and its version has the requests")

    def is_unfinished(self) -> bool:
        """See Traffic."""
        return not self._is_live and self._shares.candidate_servers() > 0

    def ended_by(self, error: StepError) -> StepError:
        """Return a RolloutRevertedError: servers that do not become ready are a verdict, too."""
        return error if isinstance(error, RolloutRevertedError) else self._reverted(error.what)

    def _change(self, percent: int) -> None:
        self._shares.give(percent)
        self._show(percent)
        self._replacement.admit()

    def _ask(self, times: int, *names: str) -> None:
        for _ in range(times):
            for name in names:
                self._server_client.ask(name)

    def _crash(self) -> str | None:
        """Return the state of the candidate's servers as a text if one is in CrashLoopBackOff, else None."""
        found = self._at.replicas(self._deployment)
        return found.trouble if found.crashes else None

    def _refuse_errors(self, ask: Callable[[], None]) -> str:
        """Send requests by ``ask``, which raises if one fails; raise, too, if clients' requests failed meanwhile."""
        try:
            (found,) = self._measure(ask, self._candidate.version)
        except UnmeasuredError as error:
            return f"our own requests were answered; of others nothing is known: {error}"
        erred = f"{found.errors:.4g} of {found.requests:.4g} requests erred"
        if found.errors and found.errors / found.requests > self._policy.max_error_rate:
            raise self._reverted(erred)
        return erred

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

    def _reverted(self, reason: str) -> RolloutRevertedError:
        return RolloutRevertedError(reason, where=f"deployment {self._deployment}")
