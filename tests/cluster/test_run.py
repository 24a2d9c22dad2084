"""The demonstration's DAG on the cluster, from Airflow's scheduler, with no more rights than its roles give it."""

import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from millrace.cli.demonstration.show import bring_in
from millrace.serving.client import InferenceClient
from millrace.settings import Settings
from tests.cluster.conftest import AirflowEnv

REPOSITORY = Path(__file__).resolve().parents[2]
DAG = "news_topics"
# quantities that a laptop's row has; what needs rates or sensors that are not here is NULL on both
MEASURED = (
    "dataset_version", "model_version", "quality", "predicted_seconds", "measured_seconds",
    "predicted_peak_memory_bytes", "measured_peak_memory_bytes", "predicted_joules", "measured_joules", "energy_method",
)  # fmt: skip
UNKNOWN = ("measured_peak_gpu_memory_bytes", "predicted_cost", "cost", "currency", "predicted_gco2e", "gco2e")


@pytest.fixture(scope="module")
def finished(airflow_env: AirflowEnv, pip: str) -> Any:
    """One run over all days, and every pod that was seen meanwhile."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MILLRACE_HOME", str(airflow_env.airflow.home))
        patch.setenv("MILLRACE_ARRIVALS_URI", f"{airflow_env.site.store}/arrivals")
        days = bring_in(Settings(), cache=REPOSITORY / ".cache", pip=pip)
    run_id = airflow_env.trigger(
        DAG, rows=600, partition_from=f"{min(days)}", partition_to=f"{max(days)}", ingest_parts=2
    )
    pods: dict[str, Any] = {}
    over = threading.Event()

    def look() -> None:
        while not over.wait(1):
            pods.update({pod["metadata"]["name"]: pod for pod in airflow_env.site.pods_of(run_id)})

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        row = airflow_env.finish(DAG, run_id, timeout_seconds=900)
    finally:
        over.set()
        watcher.join()
    return run_id, row, pods


@pytest.fixture(scope="module")
def pip() -> str:
    uv = REPOSITORY / ".venvs" / "uv" / "bin" / "python"
    return str(uv) if uv.exists() else sys.executable


@pytest.mark.timeout(1200)
def test_the_run_ends_well_and_its_row_is_like_a_laptops(finished: Any) -> None:
    _, row, _ = finished
    assert (row["state"], row["decision"]) == ("success", "pass"), row
    assert [name for name in MEASURED if row[name] is None] == []
    assert [name for name in UNKNOWN if row[name] is not None] == []
    assert row["site"] == "test"


def test_every_step_was_a_pod_and_the_report_its_own(airflow_env: AirflowEnv, finished: Any) -> None:
    run_id, _, pods = finished
    tries = airflow_env.ledger.tries(DAG, run_id, 0)
    ok = {row["task_id"]: row["process_uid"] for row in tries if row["outcome"] == "ok" and row["joules"] is not None}
    for step in ("ingest", "validate", "train", "export", "evaluate"):
        assert ok[step].startswith("pod:millrace-steps/news-topics-"), ok
    steps = {pod["metadata"]["labels"]["app.kubernetes.io/component"] for pod in pods.values()}
    assert steps == {"ingest", "validate", "train", "export", "evaluate"}


def test_the_parts_of_ingest_were_pods_side_by_side(airflow_env: AirflowEnv, finished: Any) -> None:
    _, _, pods = finished
    labels = [pod["metadata"]["labels"] for pod in pods.values()]
    parts = [each["map_index"] for each in labels if each["app.kubernetes.io/component"] == "ingest"]
    assert sorted(parts) == ["0", "1"]


def test_training_asked_for_its_gpu_and_the_plans_memory(airflow_env: AirflowEnv, finished: Any) -> None:
    run_id, _, pods = finished
    (train,) = [pod for pod in pods.values() if pod["metadata"]["labels"]["app.kubernetes.io/component"] == "train"]
    asked = train["spec"]["containers"][0]["resources"]
    plan = airflow_env.ledger.plan(DAG, run_id)
    assert asked["requests"]["nvidia.com/gpu"] == asked["limits"]["nvidia.com/gpu"] == "1"
    assert int(asked["limits"]["memory"].removesuffix("Mi")) << 20 >= plan.peak_memory_bytes.p90
    assert train["spec"]["nodeSelector"] == {"nvidia.com/gpu.product": "TEST-GPU"}
    assert plan.site == "test"


def test_no_secret_is_found_anywhere(
    airflow_env: AirflowEnv, finished: Any, secrets_of_the_site: list[str], all_that_is_kept: Any
) -> None:
    """Pods' specifications, logs, XComs, rendered fields, the ledger, reports, Data Docs, models."""
    kept = all_that_is_kept(airflow_env.airflow.home, airflow_env.site.store)
    kept["pods"] = yaml.safe_dump(list(finished[2].values())).encode()
    assert len(secrets_of_the_site) >= 5
    assert [name for name, data in kept.items() for secret in secrets_of_the_site if secret.encode() in data] == []


@pytest.fixture
def secrets_of_the_site(airflow_env: AirflowEnv) -> list[str]:
    import base64

    found = [yaml.safe_load(airflow_env.site.airflow_kubeconfig.read_text())["users"][0]["user"]["token"]]
    for namespace in ("millrace-steps", "millrace-serving"):
        for secret in airflow_env.site.objects("secrets", namespace):
            for name, value in secret.get("data", {}).items():
                if name in ("token", "tls.key", "AWS_SECRET_ACCESS_KEY"):
                    found.append(base64.b64decode(value).decode().strip())
    return found


def test_no_pod_of_a_step_is_left(airflow_env: AirflowEnv, finished: Any) -> None:
    run_id = finished[0]
    left = [
        pod["metadata"]["name"]
        for pod in airflow_env.site.objects("pods", "millrace-steps")
        if pod["metadata"]["labels"].get("dag_id") == DAG and run_id[:8] in pod["metadata"]["labels"].get("run_id", "")
    ]
    assert left == []


def test_what_serves_is_what_the_manifests_say_and_applying_them_changes_nothing(
    airflow_env: AirflowEnv, finished: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MILLRACE_HOME", str(airflow_env.airflow.home))
    text = subprocess.run(
        [sys.executable, "-m", "millrace", "manifests", DAG], check=True, capture_output=True, text=True
    ).stdout
    assert len(list(yaml.safe_load_all(text))) == 5
    assert airflow_env.site.kubectl("diff", "-f", "-", given=text) == ""
    kinds = "deployments,services,hpa,pdb"
    before = {each["metadata"]["uid"]: each for each in airflow_env.site.objects(kinds, "millrace-serving")}
    airflow_env.site.kubectl("apply", "--server-side", "--field-manager", "millrace", "-f", "-", given=text)
    after = {each["metadata"]["uid"]: each for each in airflow_env.site.objects(kinds, "millrace-serving")}
    assert {
        uid: each["metadata"]["generation"] for uid, each in before.items() if "generation" in each["metadata"]
    } == {uid: each["metadata"]["generation"] for uid, each in after.items() if "generation" in each["metadata"]}
    (deployment,) = [each for each in yaml.safe_load_all(text) if each["kind"] == "Deployment"]
    assert "replicas" not in deployment["spec"], "the autoscaler says how many there are"


def test_the_service_answers_those_who_have_the_token(airflow_env: AirflowEnv, finished: Any) -> None:
    from kubernetes import config

    from millrace.serving.cluster import ServingCluster

    api = config.new_client_from_config(str(airflow_env.site.airflow_kubeconfig))
    cluster = ServingCluster(Settings().cluster(), api)
    address = cluster.address("news-topics")
    with InferenceClient(address, DAG, access=cluster.access("news-topics")) as client:
        answer = client.infer([{"text": "the shuttle reached orbit after launch"}])
    assert answer.model_version == finished[1]["model_version"]


def test_the_runs_page_says_what_share_its_model_has(airflow_env: AirflowEnv, finished: Any) -> None:
    run_id, row, _ = finished
    page = httpx.get(
        f"{airflow_env.airflow.url}/millrace/run",
        params={"dag_id": DAG, "run_id": run_id},
        headers=airflow_env.api.headers,
        timeout=60,
    )
    assert f"{row['model_version']}: 100 % of requests" in page.raise_for_status().text
