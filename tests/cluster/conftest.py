"""A real cluster and a real S3; an Airflow that knows the cluster by its own service account and nothing more.

KUBECONFIG is an administrator's, AWS_ENDPOINT_URL an S3 that pods reach, MILLRACE_TEST_IMAGES the images by name, like
``millrace/{image}:test``, on the node already. Without them every test here is skipped.
"""

import json
import os
import secrets
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
import yaml
from airflow.providers.cncf.kubernetes.pod_generator import make_safe_label_value

from millrace.cli.demonstration.follow import AirflowApi
from millrace.cli.local_airflow import LocalAirflow
from millrace.contracts.run_spec import RunSpec
from millrace.ledger.ledger import Ledger
from millrace.serving.secret import serving_secret
from millrace.settings import Settings
from millrace.storage import files
from tests.e2e import conftest as e2e

REPOSITORY = Path(__file__).resolve().parents[2]
AIRFLOW, STEPS, SERVING = "millrace-airflow", "millrace-steps", "millrace-serving"
NEEDED = ("KUBECONFIG", "AWS_ENDPOINT_URL", "MILLRACE_TEST_IMAGES")
BUCKET = "millrace-cluster-test"
GPU = "TEST-GPU"
START_BUDGET_SECONDS = 45
CATALOGUE: dict[str, Any] = {
    "hardware": {
        name: {
            "cores": 1,
            "memory_bytes": 4 << 30,
            "gflops_per_core": 88,
            "idle_watts_per_core": 0.74,
            "active_watts_per_core": 2.76,
            "gpu": gpu,
            "gpus": 1,
        }
        for name, gpu in (("gpu", GPU), ("nowhere", "NO-SUCH-GPU"))
    },
    "sites": {"test": {"hardware": "gpu"}},
}


@dataclass
class Site:
    """The cluster as an administrator sees it, and where Airflow keeps what it knows."""

    home: Path
    store: str
    kubeconfig: str

    def kubectl(self, *arguments: str, given: str | None = None, check: bool = True) -> str:
        """An administrator's kubectl; returns what it prints."""
        done = subprocess.run(
            ["kubectl", *arguments],
            input=given,
            capture_output=True,
            text=True,
            timeout=120,
            env={**os.environ, "KUBECONFIG": self.kubeconfig},
        )
        assert not check or done.returncode == 0, f"{arguments}: {done.stderr}"
        return done.stdout

    def objects(self, kind: str, namespace: str, selector: str = "") -> list[dict[str, Any]]:
        """Objects of one kind as they are."""
        chosen = ["-l", selector] if selector else []
        return list(json.loads(self.kubectl("-n", namespace, "get", kind, *chosen, "-o", "json"))["items"])

    def pods_of(self, run_id: str, *labels: str) -> list[dict[str, Any]]:
        """A run's step pods as they are."""
        chosen = ",".join((f"run_id={make_safe_label_value(run_id)}", *labels))
        return self.objects("pods", "millrace-steps", chosen)

    @property
    def airflow_kubeconfig(self) -> Path:
        """The kubeconfig of Airflow's service account."""
        return self.home / "airflow.kubeconfig"

    def log_airflow_in(self, namespace: str, account: str) -> None:
        """Make that kubeconfig, with a token and nothing else of the administrator's."""
        config = yaml.safe_load(self.kubectl("config", "view", "--raw", "--minify"))
        token = self.kubectl("-n", namespace, "create", "token", account, "--duration", "6h").strip()
        config["users"] = [{"name": "airflow", "user": {"token": token}}]
        config["contexts"][0]["context"]["user"] = "airflow"
        self.airflow_kubeconfig.write_text(yaml.safe_dump(config))

    def give_secret(self, namespace: str, name: str, data: Mapping[str, str]) -> None:
        """Put a secret there."""
        metadata = {"name": name, "namespace": namespace}
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": dict(data)}
        self.kubectl("apply", "-f", "-", given=yaml.safe_dump(secret))


def await_(ready: Callable[[], Any], what: str, timeout_seconds: float = 120, every_seconds: float = 0.5) -> Any:
    """Poll until ``ready`` is truthy; bounded."""
    deadline = time.monotonic() + timeout_seconds
    while time.monotonic() < deadline:
        if answer := ready():
            return answer
        time.sleep(every_seconds)
    raise AssertionError(f"{what}: not after {timeout_seconds} s")


def store_variables() -> dict[str, str]:
    """How the environment reaches its S3."""
    names = sorted(name for name in os.environ if name.startswith("AWS_") and name != "AWS_CA_BUNDLE")
    return {"AWS_REGION": "us-east-1"} | {name: os.environ[name] for name in names}


def require_cluster() -> None:
    """Skip where there is no cluster to test with."""
    missing = [name for name in NEEDED if not os.environ.get(name)]
    if missing:
        pytest.skip(f"no cluster to test with: {', '.join(missing)} not set")


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory, create_bucket: Callable[[str], None]) -> Iterator[Site]:
    """Namespaces, roles, secrets and a bucket, as docs/start/first-cluster.md has an administrator make them."""
    require_cluster()
    home = tmp_path_factory.mktemp("site")
    site = Site(home, f"s3://{BUCKET}/{secrets.token_hex(4)}", os.environ["KUBECONFIG"])
    site.kubectl("apply", "-k", str(REPOSITORY / "images" / "kubernetes"))
    site.kubectl("apply", "-f", "-", given=serving_secret(Settings().cluster()))
    for namespace in (AIRFLOW, STEPS, SERVING):
        site.give_secret(namespace, "millrace-storage", store_variables())
    site.kubectl("label", "node", "-l", "type!=kwok", f"nvidia.com/gpu.product={GPU}", "--overwrite")
    create_bucket(BUCKET)
    site.log_airflow_in(AIRFLOW, "millrace-airflow")
    (home / "catalogue.yaml").write_text(yaml.safe_dump(CATALOGUE))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "MILLRACE_LAUNCHER": "kubernetes",
            "MILLRACE_STORAGE_URI": site.store,
            "MILLRACE_ARRIVALS_URI": (home / "arrivals").as_uri(),
            "MILLRACE_CATALOGUE": str(home / "catalogue.yaml"),
            "MILLRACE_SITE": "test",
            "MILLRACE_KUBERNETES_IMAGES": os.environ["MILLRACE_TEST_IMAGES"],
            "MILLRACE_KUBERNETES_SERVING_ADDRESS": "https://{cluster_ip}:8443",
            # an idle server takes 35m here: two of them would never become one at a target of 70 % of 100m
            "MILLRACE_KUBERNETES_SERVING_CPU": "150m",
            "MILLRACE_KUBERNETES_START_TIMEOUT_SECONDS": str(START_BUDGET_SECONDS),
            # too little for validation: it is killed, and tried with more
            "MILLRACE_KUBERNETES_STEP_MEMORY_BYTES": str(208 << 20),
            "MILLRACE_STOP_GRACE_SECONDS": "10",
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "15",
        }.items():
            patch.setenv(name, value)
        yield site
    for namespace in (STEPS, SERVING):
        site.kubectl("-n", namespace, "delete", "deployments,services,hpa,pdb,pods", "--all", "--wait=false")
    files.delete_folder(site.store)


@pytest.fixture(scope="session")
def crds(site: Site) -> Iterator[None]:
    """The CRDs of HTTPRoute, ScaledObject and InferenceService, from files in MILLRACE_TEST_CRDS; gone afterwards."""
    folder = os.environ.get("MILLRACE_TEST_CRDS")
    if not folder:
        pytest.skip("MILLRACE_TEST_CRDS names no folder of CRDs (see .ci/crds/make)")
    named = [f"--filename={path}" for path in sorted(Path(folder).glob("*.yaml"))]
    site.kubectl("apply", "--server-side", "--force-conflicts", *named)
    try:
        # `wait` refuses a CRD that has no status yet
        wait = ("wait", "--for=condition=Established", "--timeout=60s", *named)
        await_(lambda: site.kubectl(*wait, check=False).count("condition met") == len(named), "every CRD established")
        yield
    finally:
        site.kubectl("delete", "--ignore-not-found", *named)


class AirflowEnv:
    """A running Airflow whose steps are pods."""

    def __init__(self, site: Site, airflow: LocalAirflow) -> None:
        self.site = site
        self.airflow = airflow
        self.ledger = Ledger(f"sqlite:///{airflow.home / 'ledger.db'}")

    def start(self) -> None:
        """Bring Airflow up."""
        self.airflow.up()
        self.api = AirflowApi(self.airflow)

    def restart(self) -> None:
        """End what is left of Airflow and bring it up again."""
        self.airflow.down()
        self.start()

    def pid(self) -> int:
        """Of the process that the others of this Airflow descend from."""
        return int(json.loads((self.airflow.home / "airflow.pid.json").read_text())["pid"])

    def trigger(self, dag_id: str, **conf: object) -> str:
        """Start a run and return its id."""
        self.api.await_dag(dag_id)
        return self.api.trigger(dag_id, conf)

    def await_run(self, dag_id: str, run_id: str, timeout_seconds: float) -> None:
        """Wait for a run's end."""
        await_(
            lambda: self.api.run_state(dag_id, run_id) in ("success", "failed"), f"run {run_id}", timeout_seconds, 1.0
        )

    def finish(self, dag_id: str, run_id: str, timeout_seconds: float = 600) -> dict[str, Any]:
        """Wait for a run's end; returns its row of run_summary."""
        self.await_run(dag_id, run_id, timeout_seconds)
        return dict(self.ledger.run_summary(dag_id=dag_id, run_id=run_id)[0])

    def deliver(self, workload: str, day: date, text: str) -> None:
        """Put a day's file of arrivals where pods read it."""
        from millrace.storage import files

        files.write_bytes(f"{self.site.store}/arrivals/{workload}/{day}.csv", text.encode())


StartAirflow = Callable[..., AbstractContextManager[AirflowEnv]]


@pytest.fixture(scope="session", name="await_")
def _await() -> Any:
    return await_


@pytest.fixture(scope="session")
def start_budget_seconds() -> int:
    return START_BUDGET_SECONDS


@pytest.fixture(scope="session")
def machine_rows() -> Callable[..., list[str]]:
    """A day's readings, as end-to-end tests deliver them."""
    return e2e.machine_rows


@pytest.fixture
def train_spec(site: Site, load_module: Callable[[Path], Any]) -> RunSpec:
    """A training order, for pods that run nothing."""
    units = load_module(REPOSITORY / "tests" / "unit" / "conftest.py")
    workload = units.workload.__wrapped__()
    spec = units.spec.__wrapped__(workload, site.home)
    dataset = {"workload": workload.name, "uri": f"{site.store}/table", "version": 1, "until": "2026-01-01"}
    task = {"kind": "train", "dataset": dataset, "base_model": None}
    return RunSpec.model_validate({**spec.model_dump(), "task": task})


@contextmanager
def running_airflow(site: Site, home: Path, port: int, variables: Mapping[str, str]) -> Iterator[AirflowEnv]:
    """An Airflow on a port, with variables of its own; it ends with the context."""
    dags = home / "dags"
    shutil.copytree(REPOSITORY / "tests" / "e2e" / "dags", dags, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(REPOSITORY / "dags" / "news_topics.py", dags)
    for dag in Path(__file__).with_name("dags").glob("*.py"):
        shutil.copy(dag, dags)
    airflow = LocalAirflow(home, port, dags)
    given = {"KUBECONFIG": str(site.airflow_kubeconfig), "MILLRACE_ARRIVALS_URI": f"{site.store}/arrivals"}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**given, **variables}.items():
            patch.setenv(name, value)
        airflow_env = AirflowEnv(site, airflow)
        airflow_env.ledger.migrate()
        try:
            airflow_env.start()
            yield airflow_env
        finally:
            airflow.down()


@pytest.fixture(scope="session")
def start_airflow(site: Site, tmp_path_factory: pytest.TempPathFactory) -> StartAirflow:
    """Start an Airflow on a port, with variables of its own; it ends with the context."""

    def start(port: int, variables: Mapping[str, str] = MappingProxyType({})) -> AbstractContextManager[AirflowEnv]:
        return running_airflow(site, tmp_path_factory.mktemp("airflow_env"), port, variables)

    return start


@pytest.fixture(scope="session")
def airflow_env(start_airflow: StartAirflow) -> Iterator[AirflowEnv]:
    with start_airflow(8400) as airflow_env:
        yield airflow_env
