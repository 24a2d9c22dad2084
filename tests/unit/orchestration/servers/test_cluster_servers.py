"""Which version is in rollout on a cluster, by the labels of its Deployments."""

from types import SimpleNamespace
from typing import Any

import pytest

from millrace.orchestration.servers import cluster_servers
from millrace.orchestration.servers.cluster_servers import ClusterServers
from millrace.serving.manifests import VERSION_LABEL, WORKLOAD_LABEL


def deployment(workload: str, version: str, replicas: int) -> dict[str, Any]:
    labels = {WORKLOAD_LABEL: workload, VERSION_LABEL: version}
    return {"metadata": {"name": f"{workload}-{version}", "labels": labels}, "spec": {"replicas": replicas}}


@pytest.mark.parametrize(
    ("live", "servers", "canary"),
    [
        ("v1", {"v1": 2}, None),
        ("v1", {"v1": 2, "v2": 1}, "v2"),
        ("v1", {"v1": 2, "v2": 0}, None),
        (None, {"v2": 1}, None),
    ],
)
def test_the_canary_is_the_version_with_servers_beside_the_live_one(
    monkeypatch: pytest.MonkeyPatch, live: str | None, servers: dict[str, int], canary: str | None
) -> None:
    found = [deployment("flowers", version, replicas) for version, replicas in servers.items()]
    at = SimpleNamespace(listed=lambda _: [*found, deployment("others", "v9", 1)])
    monkeypatch.setattr(cluster_servers, "open_cluster", lambda _: at)
    model = SimpleNamespace(model=SimpleNamespace(version=live)) if live else None
    ledger = SimpleNamespace(live_model=lambda _: model)
    settings: Any = SimpleNamespace(ledger=lambda: ledger, cluster_of=lambda _: None)
    assert ClusterServers(settings).canary("flowers") == canary
