"""Rollouts under load: a good one, and versions that err, are slow or crash; and the autoscaler at work.

The models are the serve image's tiny ones: a row whose ``a`` is 1,000 makes a faulty version err, or take its time.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from millrace.contracts.model import ModelVersion
from millrace.contracts.run_spec import SPEC_FILE, RunSpec, ServeTask
from millrace.contracts.serving import TARGET_FILE, ServingTarget
from millrace.contracts.workload import ServingPolicy
from millrace.orchestration.servers import cluster_servers
from millrace.orchestration.servers.cluster_servers import ClusterServers
from millrace.serving.client import InferenceClient, RequestFailedError
from millrace.serving.cluster import ServingCluster
from millrace.serving.cluster_traffic import ClusterTraffic
from millrace.serving.figures import Source
from millrace.serving.live import all_of
from millrace.serving.manifests import PORT, SECRETS_FOLDER
from millrace.serving.prometheus import PrometheusSource
from millrace.serving.rollout import PausedRollout, Rollout
from millrace.serving.traffic import Replacement, RolloutRevertedError
from millrace.settings import Settings
from millrace.storage import files
from tests.cluster.conftest import Site
from tests.images.serve.conftest import TENTH, ModelStore, spec_for

WORKLOAD = "colours"
POLICY = ServingPolicy(requests_per_step=20, watch_seconds=5, max_request_seconds=10)
NOBODY = PrometheusSource("http://127.0.0.1:9", "millrace-serving")
ROWS = [{"a": 1.0, "b": 2.0}, {"a": 1000.0, "b": 1.0}, {"a": 3.0, "b": 0.5}]


@pytest.fixture(scope="module")
def cluster(site: Site) -> ServingCluster:
    from kubernetes import config

    return ServingCluster(Settings().cluster(), config.new_client_from_config(str(site.airflow_kubeconfig)))


@pytest.fixture(scope="module")
def make(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., ModelVersion]:
    """Seal a version, put it and its servers' orders into the store."""
    local = ModelStore(tmp_path_factory.mktemp("models"))

    def version(name: str, fault: str = "", rounds: int = 5 * TENTH, broken: bool = False) -> ModelVersion:
        made = local.tabular(name, fault=fault, rounds=rounds)
        uri = f"{site.store}/models/{WORKLOAD}/{name}"
        for each in files.names(made.uri):
            files.put_file(files.local_path(files.join(made.uri, each)), files.join(uri, each))
        made = made.model_copy(update={"uri": uri})
        folder = folder_of(site, made)
        server_files: Any = SimpleNamespace(uri=folder, target_uri=files.join(folder, TARGET_FILE), status_uri=None)
        spec = spec_for(server_files, PORT, POLICY)
        task = ServeTask(
            target_uri=server_files.target_uri, status_uri=None, host="0.0.0.0", port=PORT,
            secrets_folder=SECRETS_FOLDER, tls=True, token=True,
        )  # fmt: skip
        spec = RunSpec.model_validate({**spec.model_dump(), "task": task.model_dump()})
        order = ServingTarget(generation=1, workload=WORKLOAD, policy=POLICY, stable=made)
        key, spec_uri = Settings().serving_key(), files.join(folder, SPEC_FILE)
        files.write_bytes(task.target_uri, key.signed(task.target_uri, order))
        files.write_bytes(spec_uri, b"{}" if broken else key.signed(spec_uri, spec))
        return made

    return version


def folder_of(site: Site, version: ModelVersion) -> str:
    return f"{site.store}/serving/{WORKLOAD}/{version.version}"


class Load:
    """Clients of the workload's service, a new connection a request, so that each server gets its share."""

    def __init__(self, cluster: ServingCluster, clients: int, pause_seconds: float, rows: list[Any]) -> None:
        self.answers: Counter[str] = Counter()
        self.failures: list[str] = []
        self._rows = rows
        self._over = threading.Event()
        self._address, self._access = cluster.address(WORKLOAD), cluster.access(WORKLOAD)
        self._pause_seconds = pause_seconds
        self._threads = [threading.Thread(target=self._run) for _ in range(clients)]

    def _run(self) -> None:
        turn = 0
        while not self._over.wait(self._pause_seconds):
            turn += 1
            try:
                with InferenceClient(self._address, WORKLOAD, 30, self._access) as client:
                    self.answers[client.infer([self._rows[turn % len(self._rows)]]).model_version] += 1
            except RequestFailedError as error:
                self.failures.append(error.what)

    def since(self, before: Counter[str], seconds: float = 2.0) -> Counter[str]:
        """Who answers in the next seconds."""
        time.sleep(seconds)
        return self.answers - before

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()


@pytest.fixture
def roll(site: Site, cluster: ServingCluster) -> Callable[..., Rollout]:
    def rollout(
        candidate: ModelVersion,
        stable: ModelVersion | None,
        source: Source | None = None,
        at: ServingCluster = cluster,
        say: Callable[[str], None] = print,
        show: Callable[[int | None], None] = print,
    ) -> Rollout:
        replacement = Replacement(candidate, stable, POLICY, ROWS, say)
        return Rollout(replacement, ClusterTraffic(replacement, at, folder_of(site, candidate), source, show))

    return rollout


@pytest.fixture(scope="module")
def live(site: Site, cluster: ServingCluster, make: Callable[..., ModelVersion]) -> list[ModelVersion]:
    """The live version, the newest last, as rollouts leave it."""
    first = make("v-1")
    replacement = Replacement(first, None, POLICY, ROWS)
    rollout = Rollout(replacement, ClusterTraffic(replacement, cluster, folder_of(site, first)))
    rollout.advance()
    rollout.watch()
    rollout.finish()
    return [first]


@pytest.mark.timeout(300)
def test_no_request_fails_through_a_good_rollout(
    cluster: ServingCluster, make: Callable[..., ModelVersion], live: list[ModelVersion], roll: Any
) -> None:
    before = cluster.get("Service", WORKLOAD)
    candidate = make("v-2")
    shares: list[int | None] = []
    with Load(cluster, clients=2, pause_seconds=0.1, rows=ROWS) as load:
        rollout = roll(candidate, live[-1], show=shares.append)
        rollout.advance()
        rollout.watch()
        rollout.finish()
        time.sleep(3)
    assert load.failures == []
    assert set(load.answers) == {"v-1", "v-2"}
    assert shares == [0, *POLICY.canary_steps]
    after = cluster.get("Service", WORKLOAD)
    assert before
    assert after
    assert after["spec"]["clusterIP"] == before["spec"]["clusterIP"]
    assert after["spec"]["selector"]["millrace/version"] == "v-2"
    assert cluster.replicas("colours-v-1").wanted == 0
    live.append(candidate)


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("name", "how", "said"),
    [
        ("v-errs", {"fault": "errs"}, "failed"),
        ("v-slow", {"fault": "slow"}, "p99"),
        ("v-crash", {"broken": True}, "CrashLoopBackOff"),
    ],
)
def test_no_request_fails_through_a_bad_rollout_and_the_stable_version_answers_alone_again(
    cluster: ServingCluster,
    make: Callable[..., ModelVersion],
    live: list[ModelVersion],
    roll: Any,
    name: str,
    how: dict[str, Any],
    said: str,
) -> None:
    candidate = make(name, **how)
    shares: list[int | None] = []
    with Load(cluster, clients=2, pause_seconds=0.1, rows=ROWS) as load:
        with pytest.raises(RolloutRevertedError, match=said):
            roll(candidate, live[-1], show=shares.append).advance()
        reverted_at = time.monotonic()
        while cluster.get("Deployment", f"colours-{name}") or pods(cluster, name):
            assert time.monotonic() - reverted_at < 30, "the bad version is still there 30 s after its verdict"
            time.sleep(0.5)
        seen = load.answers.copy()
        time.sleep(2)
    assert load.failures == []
    assert shares[-1] is None
    assert set(load.answers - seen) == {live[-1].version}
    service = cluster.get("Service", WORKLOAD)
    assert service
    assert service["spec"]["selector"]["millrace/version"] == live[-1].version


@pytest.mark.timeout(300)
def test_a_step_that_cannot_be_judged_keeps_its_share_until_a_person_answers(
    cluster: ServingCluster, make: Callable[..., ModelVersion], live: list[ModelVersion], roll: Any
) -> None:
    stable, candidate = live[-1].version, make("v-held")
    with Load(cluster, clients=2, pause_seconds=0.1, rows=ROWS) as load:
        held = roll(candidate, live[-1], NOBODY).advance()
        # how many servers the stable version has is the autoscaler's to say
        assert held == PausedRollout(stable, 0, held.replicas, "at 0 %: Prometheus does not answer: ConnectError")
        assert candidate.version not in load.answers
        # each answer comes to another process
        held = roll(candidate, live[-1], NOBODY).go_on(held)
        assert (held.steps, held.reason.split(" (")[0]) == (1, "at 10 %")
        _await(lambda: {stable, candidate.version} == set(load.since(load.answers.copy())), "both answer", 30)
        assert "not approved" in str(roll(candidate, live[-1], NOBODY).reject(held, "not approved"))
        time.sleep(2)
        assert set(load.since(load.answers.copy())) == {stable}
        assert cluster.get("Deployment", "colours-v-held") is None
    assert load.failures == []


@pytest.mark.timeout(300)
def test_a_rollout_that_nobody_went_on_with_is_overtaken_and_does_no_more_harm(
    cluster: ServingCluster, make: Callable[..., ModelVersion], live: list[ModelVersion], roll: Any
) -> None:
    left, next_one = make("v-left"), make("v-next")
    with Load(cluster, clients=2, pause_seconds=0.1, rows=ROWS) as load:
        held = roll(left, live[-1], NOBODY).go_on(roll(left, live[-1], NOBODY).advance())
        assert roll(next_one, live[-1]).advance() is None
        with pytest.raises(RolloutRevertedError, match="another rollout came between"):
            roll(left, live[-1]).go_on(held)
        with pytest.raises(RolloutRevertedError, match="another rollout came between"):
            roll(left, live[-1]).watch()
        assert roll(left, live[-1]).abandon("half-way") is False
        time.sleep(2)
        assert set(load.since(load.answers.copy())) == {"v-next"}
        # the run of this one ends before its watch
        assert roll(next_one, live[-1]).abandon("half-way") is True
        time.sleep(2)
        assert set(load.since(load.answers.copy())) == {live[-1].version}
        assert roll(next_one, live[-1]).abandon("half-way") is False
    assert load.failures == []


def pods(cluster: ServingCluster, version: str) -> list[str]:
    """The version's pods that still take requests."""
    return cluster.metrics(WORKLOAD, version)


@pytest.mark.timeout(300)
def test_a_person_goes_back_and_no_request_fails(
    site: Site,
    cluster: ServingCluster,
    make: Callable[..., ModelVersion],
    live: list[ModelVersion],
    roll: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    newer, before = make("v-regretted"), live[-1]
    rollout = roll(newer, before)
    rollout.advance()
    rollout.watch()
    rollout.finish()
    monkeypatch.setattr(cluster_servers, "open_cluster", lambda _: cluster)
    ledger = SimpleNamespace(live_model=lambda workload: SimpleNamespace(model=before))
    settings: Any = SimpleNamespace(
        store=site.store,
        ledger=lambda: ledger,
        serving_key=Settings().serving_key,
        cluster_of=lambda _: cluster.cluster,
    )
    with Load(cluster, 2, 0.02, ROWS[:1]) as load:
        assert set(load.since(load.answers.copy())) == {newer.version}
        for _ in range(2):  # done once more, it changes nothing
            ClusterServers(settings).serve_live(WORKLOAD, newer)
        # a kept connection ends with its server, which finishes what it has first
        _await(lambda: set(load.since(load.answers.copy())) == {before.version}, "the version before alone", 30)
    assert load.failures == []
    assert cluster.replicas(f"colours-{newer.version}").wanted == 0
    assert ClusterServers(settings).canary(WORKLOAD) is None


@pytest.mark.timeout(600)
def test_the_autoscaler_goes_from_one_to_three_servers_and_back(
    site: Site, cluster: ServingCluster, live: list[ModelVersion]
) -> None:
    deployment = f"colours-{live[-1].version}"

    def ready(wanted: int) -> bool:
        now = cluster.replicas(deployment)
        return now.wanted == now.ready == wanted

    # the tests before this one have given it work
    _await(lambda: ready(1), "one server to begin with", 200)
    with Load(cluster, clients=4, pause_seconds=0.0, rows=ROWS):
        _await(lambda: ready(3), "three servers under load", 150)
    _await(lambda: ready(1), "one server without load", 200)


@pytest.mark.timeout(400)
def test_a_gateway_gets_the_weights_and_keda_the_autoscaling(
    site: Site,
    crds: None,
    cluster: ServingCluster,
    make: Callable[..., ModelVersion],
    live: list[ModelVersion],
    roll: Any,
) -> None:
    conventions = cluster.cluster.model_copy(
        update={"gateway": "edge/public", "keda_prometheus_url": "http://prometheus:9090"}
    )
    at = ServingCluster(conventions, cluster._api)
    candidate = make("v-weighed")
    weights: list[dict[str, int]] = []

    def say(line: str) -> None:
        (route,) = site.objects("httproutes", "millrace-serving")
        found = {each["name"]: each["weight"] for each in route["spec"]["rules"][0]["backendRefs"]}
        if found not in weights:
            weights.append(found)

    old, new = f"colours-{live[-1].version}", "colours-v-weighed"
    with Load(cluster, clients=2, pause_seconds=0.1, rows=ROWS) as load:
        rollout = roll(candidate, live[-1], at=at, say=say)
        assert rollout.advance() is None
        (paused,) = site.objects("scaledobjects", "millrace-serving")
        assert (paused["metadata"]["name"], paused["metadata"]["annotations"]["autoscaling.keda.sh/paused"]) == (
            old, "true",
        )  # fmt: skip
        rollout.watch()
        rollout.finish()
    say("")
    assert load.failures == []
    assert weights == [{old: 100 - share, new: share} for share in (0, 10, 50, 100)] + [{new: 100}]
    (scaled,) = site.objects("scaledobjects", "millrace-serving")
    assert (scaled["metadata"]["name"], "annotations" in scaled["metadata"]) == (new, False)
    assert [
        each["metadata"]["name"] for each in site.objects("hpa", "millrace-serving", "millrace/workload=colours")
    ] == []
    again = live_objects(at, candidate, site)
    before = {each["metadata"]["name"]: at.apply(each) for each in again}
    assert before == {each["metadata"]["name"]: at.apply(each) for each in again}, "a second apply changes nothing"
    live.append(candidate)


def live_objects(at: ServingCluster, version: ModelVersion, site: Site) -> list[dict[str, Any]]:
    made = all_of(at.cluster, WORKLOAD, version.version, POLICY, folder_of(site, version))
    assert [each["kind"] for each in made][-1] == "HTTPRoute"
    return [each for each in made if each["kind"] in ("HTTPRoute", "ScaledObject")]


def _await(ready: Callable[[], bool], what: str, timeout_seconds: float) -> None:
    deadline = time.monotonic() + timeout_seconds
    while not ready():
        assert time.monotonic() < deadline, f"{what}: not after {timeout_seconds} s"
        time.sleep(1)
