"""A candidate's way into service on Kubernetes: a Deployment of its own, shares by replicas, one Service in front."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle

from millrace.contracts.errors import StepError
from millrace.contracts.model import ModelVersion
from millrace.contracts.workload import ServingPolicy
from millrace.serving import manifests
from millrace.serving.client import InferenceClient, RequestFailedError, Row
from millrace.serving.cluster import ServingCluster
from millrace.serving.figures import MIN_REQUESTS, Figures, judge_step
from millrace.serving.manifests import service_name
from millrace.serving.rollout import RolloutRevertedError

READY_TIMEOUT_SECONDS = 300.0
_WATCH_PAUSE_SECONDS = 0.05
_LOOK_EVERY_SECONDS = 5.0
_PROXY_SECONDS = 30.0


class ClusterRollout:
    """Smoke requests, then 1 of n replicas, half of them, all; the Service's selector says whose pods answer.

    The stable version's pods stay up until the watch is over, so that going back is a change of the selector alone.
    ``folder`` of a version holds the spec and the target that its servers read.
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
    ) -> None:
        self._at = cluster
        self._policy = policy
        self._candidate = candidate
        self._stable = None if stable == candidate else stable
        self._rows = cycle(rows)
        self._folder = folder
        self._say = say
        self._workload = candidate.workload
        self._name = service_name(self._workload)
        self._deployment = service_name(self._workload, candidate.version)

    def advance(self) -> str:
        """Bring the candidate from no request to all of them; returns the Service's address, which never changes.

        Raises RolloutRevertedError when it does not become ready, or a step's verdict is not "pass"; the stable version
        alone answers then. A step that cannot be judged counts as one that failed.
        """
        self._at.claim(self._workload)
        with self._or_back():
            self._put(self._candidate)
            if self._stable is None:
                self._select(self._candidate.version)
                self._await_answer(self._name)
                self._smoke()
                return self._at.address(self._name)
            self._select(self._stable.version)
            self._suspend(self._stable)
            self._judge("0 %", (self._deployment, self._deployment_of(self._stable)))
            replicas = max(1, self._at.replicas(self._deployment_of(self._stable)).wanted)
            for percent in self._policy.canary_steps:
                self._step(percent, replicas)
        return self._at.address(self._name)

    def watch(self) -> str:
        """Replay rows for ``policy.watch_seconds`` while the candidate answers alone, then release the old version."""
        with self._or_back():
            before = self._figures(self._candidate)
            self._replay(self._policy.watch_seconds)
            self._refuse_errors(self._figures(self._candidate).since(before))
        if self._stable is not None:
            self._at.delete("HorizontalPodAutoscaler", self._deployment_of(self._stable))
            self._at.scale(self._deployment_of(self._stable), 0)
        for manifest in (
            manifests.autoscaler(self._at.cluster, self._workload, self._candidate.version),
            manifests.disruption_budget(self._at.cluster, self._workload),
        ):
            self._at.apply(manifest)
        self._sweep()
        return self._at.address(self._name)

    def back(self, reason: str) -> None:
        """Let the stable version answer alone and take the candidate away."""
        if self._stable is not None:
            self._select(self._stable.version)
            self._at.apply(manifests.autoscaler(self._at.cluster, self._workload, self._stable.version))
            self._say(f"back to version {self._stable.version} alone: {reason}")
        else:
            self._at.delete("Service", self._name)
        for kind in ("HorizontalPodAutoscaler", "Deployment", "Service"):
            self._at.delete(kind, self._deployment)

    def _step(self, percent: int, replicas: int) -> None:
        """One share: of n replicas together, the candidate's first become ready, then the stable ones go."""
        assert self._stable is not None
        ours = replicas if percent >= 100 else max(1, round(replicas * percent / 100))
        theirs = replicas if percent >= 100 else max(1, replicas - ours)
        self._at.scale(self._deployment, ours)
        self._at.await_ready(self._deployment, ours, READY_TIMEOUT_SECONDS, self._say)
        self._at.scale(self._deployment_of(self._stable), theirs)
        self._select(self._candidate.version if percent >= 100 else "")
        share = f"{percent} % ({ours} of {ours if percent >= 100 else ours + theirs} servers)"
        self._judge(share, (self._name, self._deployment, self._deployment_of(self._stable)))

    def _judge(self, share: str, names: tuple[str, ...]) -> None:
        """Ask by each service, then let both versions' own figures decide."""
        assert self._stable is not None
        before = {version.version: self._figures(version) for version in (self._candidate, self._stable)}
        for _ in range(max(MIN_REQUESTS, self._policy.requests_per_step)):
            for name in names:
                self._ask(name)
        candidate, stable = (
            self._figures(version).since(before[version.version]) for version in (self._candidate, self._stable)
        )
        verdict = judge_step(self._policy, candidate, stable)
        for reason in verdict.reasons:
            self._say(f"{share}: {verdict.outcome}: {reason}")
        if verdict.outcome != "pass":
            raise self._reverted(f"at {share}: {verdict.outcome}: {verdict.reasons[0]}")

    def _put(self, version: ModelVersion) -> None:
        cluster = self._at.cluster
        for manifest in (
            manifests.deployment(cluster, self._workload, version.version, self._policy, self._folder(version)),
            manifests.service(cluster, self._workload, version.version, version.version),
        ):
            self._at.apply(manifest)
        self._at.await_ready(self._deployment, 1, READY_TIMEOUT_SECONDS, self._say)
        self._await_answer(self._deployment)

    def _await_answer(self, name: str) -> None:
        """A new service is there before every node's proxy knows of it."""
        deadline = time.monotonic() + _PROXY_SECONDS
        while time.monotonic() < deadline:
            with self._client(name) as client:
                if client.ready():
                    return
            time.sleep(_WATCH_PAUSE_SECONDS)
        raise self._reverted(f"nothing answers at {self._at.address(name)} within {_PROXY_SECONDS:g} s")

    def _select(self, version: str) -> None:
        self._at.apply(manifests.service(self._at.cluster, self._workload, "", version))

    def _suspend(self, version: ModelVersion) -> None:
        self._at.apply(manifests.autoscaler(self._at.cluster, self._workload, version.version, suspended=True))

    def _smoke(self) -> None:
        before = self._figures(self._candidate)
        for _ in range(self._policy.requests_per_step):
            self._ask(self._deployment)
        self._refuse_errors(self._figures(self._candidate).since(before))
        self._say(f"version {self._candidate.version} answers when asked alone")

    def _refuse_errors(self, figures: Figures) -> None:
        if figures.errors and figures.errors / figures.requests > self._policy.max_error_rate:
            raise self._reverted(f"{figures.errors:g} of {figures.requests:g} requests erred")

    def _replay(self, seconds: float) -> None:
        ends_at, look_at = time.monotonic() + seconds, time.monotonic() + _LOOK_EVERY_SECONDS
        with self._client(self._name) as client:
            while time.monotonic() < ends_at:
                self._send(client)
                time.sleep(_WATCH_PAUSE_SECONDS)
                if time.monotonic() >= look_at:
                    look_at = time.monotonic() + _LOOK_EVERY_SECONDS
                    if (trouble := self._at.replicas(self._deployment).trouble) and "Crash" in trouble:
                        raise self._reverted(trouble)

    def _ask(self, name: str) -> None:
        # a new connection each time: a kept one would stay with one server
        with self._client(name) as client:
            self._send(client)

    def _send(self, client: InferenceClient) -> None:
        try:
            client.infer([next(self._rows)])
        except RequestFailedError as error:
            raise self._reverted(error.what) from error

    def _client(self, name: str) -> InferenceClient:
        seconds = self._policy.max_request_seconds + 5
        return InferenceClient(self._at.address(name), self._workload, seconds, self._at.access(name))

    def _figures(self, version: ModelVersion) -> Figures:
        return Figures.read(self._at.metrics(self._workload, version.version), version.version)

    def _deployment_of(self, version: ModelVersion) -> str:
        return service_name(self._workload, version.version)

    def _sweep(self) -> None:
        """Keep the live version and the one before it, which has no servers; remove the others."""
        kept = {self._deployment} | ({self._deployment_of(self._stable)} if self._stable else set())
        for kind in ("Deployment", "HorizontalPodAutoscaler", "Service"):
            for found in self._at.listed(kind, self._workload):
                name = found["metadata"]["name"]
                if name not in kept and name != self._name:
                    self._at.delete(kind, name)

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
