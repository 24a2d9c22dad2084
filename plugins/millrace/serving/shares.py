"""Divide a workload's requests and servers between versions in the cluster, and remove old versions."""

import math
from collections.abc import Callable, Collection

from millrace.contracts.model import ModelVersion
from millrace.contracts.workload import ServingPolicy
from millrace.serving import gateway, live, manifests
from millrace.serving.cluster import ServingCluster
from millrace.serving.manifests import service_name


def contenders(cluster: ServingCluster, workload: str, besides: Collection[str]) -> list[str]:
    """Return a workload's Deployments with servers, except those in ``besides``: candidates of other rollouts."""
    found = cluster.listed("Deployment", workload)
    names = [each["metadata"]["name"] for each in found if each["spec"].get("replicas", 1)]
    return [name for name in names if name not in besides]


class Shares:
    """Shares of a candidate and of the stable version, if there is one. Every change is idempotent."""

    def __init__(
        self, cluster: ServingCluster, policy: ServingPolicy, candidate: ModelVersion, stable: ModelVersion | None
    ) -> None:
        self._at = cluster
        self._policy = policy
        self._candidate = candidate
        self._stable = stable
        self._workload = candidate.workload
        self.name = service_name(self._workload)
        self.deployment = service_name(self._workload, candidate.version)
        self.stable_deployment = service_name(self._workload, stable.version) if stable else ""

    def put(self, folder: str) -> None:
        """Apply the candidate's Deployment and own Service; ``folder`` has its servers' spec and serving target."""
        version = self._candidate.version
        self._at.apply(manifests.deployment(self._at.cluster, self._workload, version, self._policy, folder))
        self._at.apply(manifests.service(self._at.cluster, self._workload, version, version))

    def wanted(self) -> int:
        """Return the number of servers for the rollout: stable and candidate servers now, up to ``max_replicas``.

        It is never less than the stable version has, so that a restarted rollout keeps the number.
        """
        both = self._at.replicas(self.stable_deployment).wanted + self.candidate_servers()
        return max(1, self._at.replicas(self.stable_deployment).wanted, min(both, self._at.cluster.max_replicas))

    def candidate_servers(self) -> int:
        """Return the candidate's configured number of servers; 0 if its Deployment does not exist."""
        found = self._at.get("Deployment", self.deployment)
        return int(found["spec"].get("replicas", 1)) if found else 0

    def servers(self, percent: int, replicas: int) -> tuple[int, int]:
        """Return the candidate's and the stable version's number of servers for a share, of ``replicas`` in all.

        With a gateway, which divides requests by weight, the stable version keeps all ``replicas``.
        """
        if percent >= 100:
            return replicas, replicas
        if self._at.cluster.gateway:
            return max(1, math.ceil(replicas * percent / 100)), replicas
        ours = max(1, round(replicas * percent / 100))
        return ours, max(1, replicas - ours)

    def give(self, percent: int) -> None:
        """Give the candidate that share of the requests: by the gateway's weights, else by its number of servers."""
        between = self._stable is not None and percent < 100
        if self._at.cluster.gateway:
            shares = {self._candidate.version: percent}
            if self._stable is not None:
                shares = {self._stable.version: 100 - percent, **shares}
            self._at.apply(gateway.http_route(self._at.cluster, self._workload, shares))
        if between and (percent == 0 or self._at.cluster.gateway):
            assert self._stable is not None
            self._select(self._stable.version)
        else:
            self._select("" if between else self._candidate.version)

    def suspend(self, replicas: int) -> None:
        """Suspend the stable version's autoscaler and scale the version to ``replicas``, which the rollout sets now."""
        assert self._stable is not None
        self._autoscale(self._stable, suspended=True)
        self._at.scale(self.stable_deployment, replicas)

    def back(self) -> None:
        """Give the stable version all requests and delete the candidate's objects.

        Without a stable version the workload's own Service is deleted, too, so that no server answers.
        """
        if self._stable is not None:
            if self._at.cluster.gateway:
                self._at.apply(gateway.http_route(self._at.cluster, self._workload, {self._stable.version: 100}))
            self._select(self._stable.version)
            self._autoscale(self._stable)
        else:
            if self._at.cluster.gateway:
                self._at.delete("HTTPRoute", self.name)
            self._at.delete("Service", self.name)
        self.take_away()

    def take_away(self) -> None:
        """Delete the candidate's objects only."""
        for kind in (*live.autoscaler_kinds(self._at.cluster), "Deployment", "Service"):
            self._at.delete(kind, self.deployment)

    def take_over(self, progress: Callable[[str], None]) -> None:
        """Scale other candidates to 0 servers: this rollout replaces a held one that was not continued."""
        for name in contenders(self._at, self._workload, (self.deployment, self.stable_deployment)):
            progress(f"{name} was left with a share of the requests, and loses it")
            self._at.scale(name, 0)

    def settle(self) -> None:
        """Make the candidate the serving version: scale the old version to 0 and delete versions before it."""
        if self._at.cluster.gateway:
            route = gateway.http_route(self._at.cluster, self._workload, {self._candidate.version: 100})
            self._at.apply(route)
        if self._stable is not None:
            for kind in live.autoscaler_kinds(self._at.cluster):
                self._at.delete(kind, self.stable_deployment)
            self._at.scale(self.stable_deployment, 0)
        self._autoscale(self._candidate)
        self._at.apply(manifests.disruption_budget(self._at.cluster, self._workload))
        self._sweep()

    def _select(self, version: str) -> None:
        self._at.apply(manifests.service(self._at.cluster, self._workload, "", version))

    def _autoscale(self, version: ModelVersion, suspended: bool = False) -> None:
        _, *others = live.autoscaler_kinds(self._at.cluster)
        for kind in others:
            self._at.delete(kind, service_name(self._workload, version.version))
        self._at.apply(live.autoscaler(self._at.cluster, self._workload, version.version, suspended))

    def _sweep(self) -> None:
        """Delete the objects of versions other than the live one and the one before it, which has no servers."""
        kept = {self.deployment, self.stable_deployment, self.name}
        for kind in ("Deployment", *live.autoscaler_kinds(self._at.cluster), "Service"):
            for found in self._at.listed(kind, self._workload):
                if found["metadata"]["name"] not in kept:
                    self._at.delete(kind, found["metadata"]["name"])
