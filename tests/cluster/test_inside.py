"""Airflow's own image in the cluster: it starts pods and rolls out with its service account's token alone."""

import json
import os
import secrets
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster.conftest import Site

DAG = "machine_inside"
HERE = Path(__file__).parent
AIRFLOW, STEPS, NAME = "millrace-airflow", "millrace-steps", "airflow-inside"
# the image has the repository's own DAGs; these are mounted beside them
DAGS = (HERE.parent / "e2e" / "dags" / "machine_faults.py", HERE / "dags" / "machine_inside.py")


class Inside:
    """A pod of images/airflow: a scheduler, a triggerer and an API server, with SQLite in the pod's own scratch."""

    def __init__(self, site: Site) -> None:
        self.site = site

    def run(self, *command: str, check: bool = True) -> str:
        """A command in the pod, as whoever keeps Airflow there would type it."""
        return str(self.site.kubectl("-n", AIRFLOW, "exec", NAME, "--", *command, check=check))

    def ask(self, what: str) -> Any:
        """An answer of the pod's ledger."""
        program = (
            f"import json; from millrace.settings import load_settings as s; print(json.dumps(s().ledger().{what}))"
        )
        return json.loads(self.run("python3", "-c", program).splitlines()[-1])


def objects(site: Site, image: str) -> list[dict[str, Any]]:
    """What an administrator would apply: Airflow's settings, its DAGs and its pod."""
    scratch = {"tmp": "/tmp", "home": "/var/lib/millrace"}
    settings = {
        "MILLRACE_LAUNCHER": "kubernetes",
        "MILLRACE_KUBERNETES_IN_CLUSTER": "true",
        "MILLRACE_KUBERNETES_IMAGES": os.environ["MILLRACE_TEST_IMAGES"],
        "MILLRACE_KUBERNETES_SERVING_CPU": "100m",
        # a site's own hardware: "auto" is all cores of the machine that Airflow runs on, and its pod takes some of them
        "MILLRACE_SITE": "test",
        "MILLRACE_CATALOGUE": "/opt/site/catalogue.yaml",
        "MILLRACE_STORAGE_URI": f"{site.store}/inside",
        "MILLRACE_ARRIVALS_URI": f"{site.store}/arrivals",
        "AIRFLOW__CORE__DAGS_FOLDER": "/opt/dags",
        "AIRFLOW__CORE__PARALLELISM": "4",
    }
    container = {
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "env": [{"name": name, "value": value} for name, value in settings.items()],
        "envFrom": [{"secretRef": {"name": name}} for name in ("millrace-storage", NAME)],
        "resources": {"requests": {"cpu": "500m", "memory": "2Gi"}, "limits": {"memory": "4Gi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            # file by file: a ConfigMap's folder has links to itself, which Airflow refuses to walk
            *({"name": "dags", "mountPath": f"/opt/dags/{file.name}", "subPath": file.name} for file in DAGS),
            {"name": "dags", "mountPath": "/opt/site/catalogue.yaml", "subPath": "catalogue.yaml"},
            *({"name": name, "mountPath": path} for name, path in scratch.items()),
        ],
    }
    labels = {"app.kubernetes.io/name": "millrace-airflow", "app.kubernetes.io/part-of": "millrace"}
    metadata = {"name": NAME, "namespace": AIRFLOW}
    return [
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": metadata,
            "stringData": {"AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_urlsafe(48)},
        },
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": metadata,
            "data": {file.name: file.read_text() for file in (*DAGS, site.home / "catalogue.yaml")},
        },
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {**metadata, "labels": labels},
            "spec": {
                "serviceAccountName": "millrace-airflow",
                "securityContext": {
                    "runAsNonRoot": True,
                    "fsGroup": 65532,
                    "seccompProfile": {"type": "RuntimeDefault"},
                },
                "initContainers": [
                    {**container, "name": "ledger", "command": ["python3", "-m", "millrace", "ledger", "migrate"]}
                ],
                "containers": [{**container, "name": "airflow", "args": ["standalone"]}],
                "volumes": [
                    {"name": "dags", "configMap": {"name": NAME}},
                    *({"name": name, "emptyDir": {}} for name in scratch),
                ],
                "restartPolicy": "Never",
                "terminationGracePeriodSeconds": 5,
            },
        },
    ]


@pytest.fixture(scope="module")
def inside(site: Site, await_: Any) -> Iterator[Inside]:
    image = os.environ["MILLRACE_TEST_IMAGES"].replace("{image}", "airflow")
    site.kubectl("apply", "-f", "-", given=yaml.safe_dump_all(objects(site, image)))

    def pod() -> dict[str, Any]:
        return next(each for each in site.objects("pods", AIRFLOW) if each["metadata"]["name"] == NAME)

    def started() -> bool:
        status = pod()["status"]
        waits = [each["state"].get("waiting", {}).get("reason") for each in status.get("initContainerStatuses", [])]
        if {"ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull"} & set(waits):
            pytest.skip(f"the node cannot have {image}")
        assert status["phase"] in ("Pending", "Running"), site.kubectl("-n", AIRFLOW, "logs", NAME, "--all-containers")
        return bool(status["phase"] == "Running")

    try:
        await_(started, "the pod of Airflow", 180, 1)
        inside = Inside(site)
        await_(lambda: DAG in inside.run("airflow", "dags", "unpause", DAG, "-y", check=False), "the DAG", 180, 2)
        yield inside
    except BaseException:
        print(site.kubectl("-n", AIRFLOW, "logs", NAME, "--all-containers", "--tail=300", check=False))
        raise
    finally:
        site.kubectl("-n", AIRFLOW, "delete", "pod,secret,configmap", NAME, "--ignore-not-found")


# minutes, with an Airflow of its own beside the other one: by hand
@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_run_from_data_to_service_by_the_token_of_the_pod_alone(
    site: Site, inside: Inside, machine_rows: Any, await_: Any
) -> None:
    from millrace.storage import files

    day = date(2026, 4, 1)
    text = "\n".join(machine_rows(day, 600)) + "\n"
    files.write_bytes(f"{site.store}/arrivals/{DAG}/{day}.csv", text.encode())
    conf = json.dumps({"partition_from": f"{day}", "partition_to": f"{day}"})
    inside.run("airflow", "dags", "trigger", DAG, "--conf", conf, "--run-id", "inside")

    def ended() -> Any:
        rows = inside.ask(f"run_summary({DAG!r}, 'inside')")
        return rows[0] if rows and rows[0]["finished_at"] else None

    row = await_(ended, "the run's end", 600, 3)
    assert (row["state"], row["decision"]) == ("success", "pass"), row
    tries = inside.ask(f"tries({DAG!r}, 'inside', 0)")
    pods = {each["task_id"]: each["process_uid"] for each in tries if each["process_uid"].startswith(f"pod:{STEPS}/")}
    assert {"ingest", "validate", "train", "export", "evaluate"} <= set(pods)
    assert "No such" in inside.run("sh", "-c", "ls ~/.kube 2>&1; true"), "another credential"
    # the workload's own, beside that of its version
    services = site.objects("services", "millrace-serving")
    (service,) = [each for each in services if each["metadata"]["name"] == "machine-inside"]
    assert service["spec"]["ports"]
