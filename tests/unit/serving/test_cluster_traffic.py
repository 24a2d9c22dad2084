"""A rollout on Kubernetes with a cluster in memory; tests/cluster has the same with pods under load."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from millrace.contracts.cluster import Cluster
from millrace.contracts.errors import RefusedError, TransientError
from millrace.contracts.model import ModelVersion
from millrace.contracts.workload import ServingPolicy
from millrace.serving import server_client
from millrace.serving.client import Access, RequestFailedError
from millrace.serving.cluster import Replicas
from millrace.serving.cluster_traffic import ClusterTraffic
from millrace.serving.figures import Figures, UnmeasuredError
from millrace.serving.rollout import PausedRollout, Rollout
from millrace.serving.traffic import Replacement, RolloutRevertedError, ServerLostError

POLICY = ServingPolicy(watch_seconds=0.1)
ROWS = [{"a": 1.0}]


def version(name: str) -> ModelVersion:
    return ModelVersion(workload="flowers", version=name, uri=f"s3://b/{name}", manifest_sha256="a" * 64)


OLD, NEW = version("v1"), version("v2")


class FakeCluster:
    """Objects by kind and name; each Deployment is ready at once, unless it is in ``crashing``."""

    def __init__(self) -> None:
        self.cluster = Cluster(stop_grace_seconds=1, verify_key="", serving_tls=False, serving_token=False)
        self.objects: dict[tuple[str, str], dict[str, Any]] = {}
        self.told: list[str] = []
        self.crashing: set[str] = set()

    def claim(self, workload: str) -> None:
        self.told.append("claim")

    def apply(self, manifest: dict[str, Any]) -> str:
        kind, name = manifest["kind"], manifest["metadata"]["name"]
        found = self.objects.setdefault((kind, name), {"spec": {}, "metadata": {}})
        found["metadata"] = manifest["metadata"]
        found["spec"].update(manifest["spec"])
        chosen = manifest["spec"]["selector"].get("millrace/version", "*") if kind == "Service" else ""
        self.told.append(f"apply {kind} {name} {chosen}".strip())
        return "1"

    def get(self, kind: str, name: str) -> dict[str, Any] | None:
        return self.objects.get((kind, name))

    def listed(self, kind: str, workload: str | None = None) -> list[dict[str, Any]]:
        return [found for (of, _), found in self.objects.items() if of == kind]

    def delete(self, kind: str, name: str) -> None:
        if self.objects.pop((kind, name), None) is not None:
            self.told.append(f"delete {kind} {name}")

    def scale(self, deployment: str, replicas: int) -> None:
        self.objects[("Deployment", deployment)]["spec"]["replicas"] = replicas
        self.told.append(f"scale {deployment} {replicas}")

    def replicas(self, deployment: str) -> Replicas:
        wanted = self.objects[("Deployment", deployment)]["spec"].get("replicas", 1)
        crashes = deployment in self.crashing
        return Replicas(wanted, 0 if crashes else wanted, "CrashLoopBackOff" if crashes else "", crashes)

    def await_ready(self, deployment: str, replicas: int, timeout_seconds: float, progress: Any) -> None:
        self.told.append(f"await {deployment} {replicas}")
        if deployment in self.crashing:
            raise TransientError("0 of 1 servers are ready: CrashLoopBackOff", where="", rule="", remedy="")

    def address(self, name: str) -> str:
        return f"http://{name}"

    def access(self, workload: str) -> Access:
        return Access()

    def answers(self) -> str:
        """The version that the workload's own Service selects; * is every version."""
        return str(self.objects[("Service", "flowers")]["spec"]["selector"].get("millrace/version", "*"))


@dataclass
class Source:
    """Metrics by version, in turn; an exception is raised."""

    found: dict[str, list[Figures | Exception]] = field(default_factory=dict)

    def begin(self, workload: str, versions: Sequence[str]) -> "Source":
        return self

    def of(self, version: str) -> Figures:
        given = self.found.get(version)
        figures = given.pop(0) if given else figures_of()
        if isinstance(figures, Exception):
            raise figures
        return figures


def figures_of(requests: int = 100, errors: int = 0, p99: float = 0.05) -> Figures:
    return Figures(requests, errors, {p99: requests - errors, float("inf"): requests - errors})


class Site:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.at, self.source = FakeCluster(), Source()
        self.asked: list[str] = []
        self.shown: list[int | None] = []
        self.said: list[str] = []
        self.fails: dict[str, RequestFailedError] = {}
        self.refuses: RefusedError | None = None
        monkeypatch.setattr(server_client, "InferenceClient", self._client)

    def _client(self, address: str, *_: object) -> Any:
        name, site = address.removeprefix("http://"), self

        class Client:
            def __enter__(self) -> "Client":
                return self

            def __exit__(self, *_: object) -> None: ...

            def ready(self) -> bool:
                return True

            def infer_patiently(self, rows: object, version: str | None) -> None:
                site.asked.append(name)
                if name in site.fails:
                    raise site.fails[name]

        return Client()

    def _admit(self) -> None:
        if self.refuses is not None:
            raise self.refuses

    def rollout(
        self, stable: ModelVersion | None = OLD, candidate: ModelVersion = NEW, comparable: bool = True
    ) -> Rollout:
        at: Any = self.at
        replacement = Replacement(candidate, stable, POLICY, ROWS, self.said.append, comparable, self._admit)
        folder = f"s3://b/serving/{candidate.version}"
        return Rollout(replacement, ClusterTraffic(replacement, at, folder, self.source, self.shown.append))

    def go_live(self) -> None:
        first = self.rollout(None, OLD)
        assert first.advance() is None
        first.watch()
        first.finish()
        for told in (self.at.told, self.asked, self.said, self.shown):
            told.clear()


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Site:
    return Site(monkeypatch)


def test_the_first_version_gets_all_requests_after_it_is_ready(site: Site) -> None:
    rollout = site.rollout(None)
    assert rollout.advance() is None
    assert site.at.told == [
        "claim", "apply Deployment flowers-v2", "apply Service flowers-v2 v2", "await flowers-v2 1",
        "apply Service flowers v2",
    ]  # fmt: skip
    assert set(site.asked) == {"flowers-v2"}
    assert (site.shown, rollout.address) == ([100], "http://flowers")


def test_a_candidate_replaces_the_live_version_share_by_share(site: Site) -> None:
    site.go_live()
    site.at.scale("flowers-v1", 4)
    site.at.told.clear()
    rollout = site.rollout()
    assert rollout.advance() is None
    assert site.at.told == [
        "claim", "apply Deployment flowers-v2", "apply Service flowers-v2 v2",
        "apply HorizontalPodAutoscaler flowers-v1", "scale flowers-v1 4", "apply Service flowers v1",
        "await flowers-v2 1",
        "scale flowers-v2 1", "await flowers-v2 1", "scale flowers-v1 3", "apply Service flowers *",
        "scale flowers-v2 2", "await flowers-v2 2", "scale flowers-v1 2", "apply Service flowers *",
        "scale flowers-v2 4", "await flowers-v2 4", "scale flowers-v1 4", "apply Service flowers v2",
    ]  # fmt: skip
    assert [site.asked.count(name) for name in ("flowers", "flowers-v1", "flowers-v2")] == [60, 80, 80]
    assert site.shown == [0, 10, 50, 100]
    site.at.told.clear()
    rollout.watch()
    assert site.at.told == []
    rollout.finish()
    assert site.at.told == [
        "delete HorizontalPodAutoscaler flowers-v1", "scale flowers-v1 0", "apply HorizontalPodAutoscaler flowers-v2",
        "apply PodDisruptionBudget flowers",
    ]  # fmt: skip


BACK = [
    "apply Service flowers v1", "apply HorizontalPodAutoscaler flowers-v1", "delete Deployment flowers-v2",
    "delete Service flowers-v2",
]  # fmt: skip


def _crash(site: Site) -> None:
    site.at.crashing.add("flowers-v2")


def _slow(site: Site) -> None:
    site.source.found["v2"] = [figures_of(p99=1.0)] * 2


def _err(site: Site) -> None:
    site.source.found["v2"] = [figures_of(errors=5)]


def _fail(site: Site) -> None:
    site.fails["flowers-v2"] = RequestFailedError("answered with 500", where="", status=500)


def _refuse(site: Site) -> None:
    site.refuses = RefusedError("rolled back by Ada", where="", rule="", remedy="")


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (_crash, "0 of 1 servers are ready: CrashLoopBackOff"),
        (_slow, "at 0 %: fail: p99"),
        (_err, "at 0 %: fail: 5 of 100 requests erred"),
        (_fail, "answered with 500"),
        (_refuse, "rolled back by Ada"),
    ],
)
def test_after_a_failure_the_stable_version_answers_alone(
    site: Site, fault: Callable[[Site], None], reason: str
) -> None:
    site.go_live()
    fault(site)
    with pytest.raises(RolloutRevertedError, match=reason):
        site.rollout().advance()
    assert site.at.told[-4:] == BACK
    assert (site.at.answers(), site.shown[-1]) == ("v1", None)
    assert f"back to version v1 alone: {reason}" in site.said[-1]


def test_a_first_version_that_fails_leaves_no_service(site: Site) -> None:
    _fail(site)
    with pytest.raises(RolloutRevertedError):
        site.rollout(None).advance()
    assert site.at.objects == {}


def test_a_server_that_is_out_of_reach_is_no_verdict(site: Site) -> None:
    site.go_live()
    site.fails["flowers-v2"] = RequestFailedError("no answer", where="", status=None, lost="refused")
    with pytest.raises(ServerLostError):
        site.rollout().advance()
    assert site.at.told[-4:] == BACK


def test_slowness_that_a_second_measurement_does_not_repeat_is_none(site: Site) -> None:
    site.go_live()
    site.source.found["v2"] = [figures_of(p99=1.0)]
    assert site.rollout().advance() is None
    assert site.asked.count("flowers-v1") == 100


def test_a_step_that_cannot_be_judged_is_held_with_its_share(site: Site) -> None:
    site.go_live()
    site.source.found["v2"] = [figures_of(), UnmeasuredError("nobody knows"), figures_of(), figures_of()]
    held = site.rollout().advance()
    assert held == PausedRollout("v1", 1, 1, "at 10 % (1 of 2 servers): nobody knows")
    assert (site.at.answers(), site.shown) == ("*", [0, 10])
    site.source.found["v2"] = [UnmeasuredError("nobody knows"), figures_of(), figures_of()]
    held = site.rollout().go_on(held)
    assert (held.steps, site.shown) == (2, [0, 10, 50])
    assert site.rollout().go_on(held) is None
    assert site.shown == [0, 10, 50, 100]


def test_a_held_rollout_is_rejected_or_overtaken(site: Site) -> None:
    site.go_live()
    site.source.found["v2"] = [UnmeasuredError("nobody knows")]
    held = site.rollout().advance()
    assert held.steps == 0
    assert "not approved" in str(site.rollout().reject(held, "not approved"))
    assert site.at.told[-4:] == BACK
    with pytest.raises(RolloutRevertedError, match="another rollout came between"):
        site.rollout().go_on(held)
    with pytest.raises(RolloutRevertedError, match="another rollout came between"):
        site.rollout().watch()
    assert site.at.answers() == "v1"


def test_what_takes_other_features_is_judged_by_its_errors_alone(site: Site) -> None:
    site.go_live()
    site.source.found["v2"] = [figures_of(p99=9.0)] * 2
    assert site.rollout(comparable=False).advance() is None
    assert site.shown == [0, 100]
    assert set(site.asked) == {"flowers-v2"}


def test_an_unfinished_rollout_is_reverted_once_and_what_is_live_stays(site: Site) -> None:
    site.go_live()
    site.rollout().advance()
    assert site.rollout().abandon("half-way") is True
    assert site.at.told[-4:] == BACK
    assert site.rollout().abandon("half-way") is False
    assert site.rollout(OLD, OLD).abandon("half-way") is False
    assert site.at.answers() == "v1"


def test_a_crash_during_the_watch_ends_it(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_client, "_LOOK_EVERY_SECONDS", 0.0)
    site.go_live()
    rollout = site.rollout()
    rollout.advance()
    _crash(site)
    with pytest.raises(RolloutRevertedError, match="CrashLoopBackOff"):
        rollout.watch()
    assert site.at.told[-4:] == BACK


def test_a_rollout_that_was_left_loses_its_share_to_the_next(site: Site) -> None:
    site.go_live()
    site.rollout(candidate=version("v0")).advance()
    assert site.rollout().advance() is None
    assert "flowers-v0 was left with a share of the requests, and loses it" in site.said
    assert "scale flowers-v0 0" in site.at.told
