"""Two teams on one cluster and one Ceph, each with its own namespaces, users and secrets: a run of each, and what a pod
of one can see of the other's.

Needs an administrator of that Ceph (radosgw-admin, CEPH_CONF) beside what the other tests here need.
"""

import base64
import json
import os
import secrets
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes import config

from millrace.contracts.restricted import container_security, pod_security
from millrace.contracts.run_spec import SPEC_FILE
from millrace.serving.client import InferenceClient, RequestFailedError
from millrace.serving.cluster import ServingCluster
from millrace.serving.secret import serving_secret
from millrace.settings import Settings
from millrace.storage import files
from millrace.tenancy.bucket_policy import Tenant, bucket_policy
from millrace.tenancy.manifests import manifests
from tests.cluster.conftest import AirflowEnv, Site, require_cluster, running_airflow, store_variables

TEAMS = ("red", "blue")
AIRFLOW = "tenancy-airflow"
DAY = date(2026, 4, 1)
ROW = {"temperature": 41.0, "vibration": 1.0, "load": 0.5}
CONVENTIONS = {
    "NAMESPACE": "tenancy-steps-{team}",
    "SPARK_NAMESPACE": "tenancy-spark-{team}",
    "SERVING_NAMESPACE": "tenancy-serving-{team}",
    "SERVICE_ACCOUNT": "step-{team}",
    "STORAGE_SECRET": "storage-{team}",
    "SERVING_SECRET": "serving-{workload}",
    "SERVING_ADDRESS": "https://{cluster_ip}:8443",
    "SERVING_CPU": "100m",
    "STEP_MEMORY_BYTES": str(1 << 30),
}
HARDWARE = {"cores": 1, "memory_bytes": 4 << 30, "gflops_per_core": 88}
# what a step's pod would do that was taken over: it has its account's token, which real ones do not
PROGRAM = r"""
import json, ssl, sys, urllib.error, urllib.request
from millrace.contracts.errors import StepError
from millrace.storage import files

ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount/"

def stored(uri, data=None):
    try:
        files.read_bytes(uri) if data is None else files.write_bytes(uri, data)
        return "200"
    except (OSError, StepError) as error:
        text = str(error)
        return "403" if "ACCESS_DENIED" in text or "AccessDenied" in text else text

def asked(url, ca=None, token=None):
    context = ssl.create_default_context(cafile=ca) if ca else ssl._create_unverified_context()
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"} if token else {})
    try:
        return str(urllib.request.urlopen(request, context=context, timeout=10).status)
    except urllib.error.HTTPError as error:
        return str(error.code)
    except OSError as error:
        return f"unreachable: {error}"

token = open(ACCOUNT + "token").read()
given = json.loads(sys.argv[1])
found = {name: stored(uri) for name, uri in given["read"].items()}
found |= {name: stored(uri, b"{}") for name, uri in given["write"].items()}
api = "https://kubernetes.default.svc"
found |= {name: asked(api + path, ACCOUNT + "ca.crt", token) for name, path in given["api"].items()}
found |= {name: asked(url) for name, url in given["service"].items()}
print("FOUND " + json.dumps(found))
"""


@pytest.fixture(scope="module")
def tenancy(
    tmp_path_factory: pytest.TempPathFactory,
    create_bucket: Callable[[str], None],
    ceph_user: Any,
    ceph_owner: str,
    put_policy: Any,
) -> Iterator[Site]:
    """What an administrator does for two teams, with the objects that the commands print."""
    require_cluster()
    home, mark = tmp_path_factory.mktemp("tenancy"), secrets.token_hex(3)
    bucket = f"millrace-tenancy-{mark}"
    create_bucket(bucket)
    site = Site(home, f"s3://{bucket}/store", os.environ["KUBECONFIG"])
    (home / "catalogue.yaml").write_text(
        yaml.safe_dump(
            {"hardware": {"small": HARDWARE | {"idle_watts_per_core": 0.7, "active_watts_per_core": 2.8}},
             "sites": {"test": {"hardware": "small"}}}
        )
    )  # fmt: skip
    variables = {
        "MILLRACE_HOME": str(home / "home"),
        "MILLRACE_LAUNCHER": "kubernetes",
        "MILLRACE_STORAGE_URI": site.store,
        "MILLRACE_ARRIVALS_URI": f"s3://{bucket}/arrivals",
        "MILLRACE_CATALOGUE": str(home / "catalogue.yaml"),
        "MILLRACE_SITE": "test",
        "MILLRACE_KUBERNETES_IMAGES": os.environ["MILLRACE_TEST_IMAGES"],
        **{f"MILLRACE_KUBERNETES_{name}": value for name, value in CONVENTIONS.items()},
    }
    namespaces = [AIRFLOW, *(f"tenancy-{kind}-{team}" for kind in ("steps", "spark", "serving") for team in TEAMS)]
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        try:
            # what a session that was killed left; this waits for its end
            site.kubectl("delete", "namespace", "--ignore-not-found", *namespaces)
            site.kubectl("create", "namespace", AIRFLOW)
            site.kubectl("-n", AIRFLOW, "create", "serviceaccount", "airflow")
            for team in TEAMS:
                cluster = Settings().cluster().for_team(team, f"machine_{team}")
                found = manifests([cluster], f"{AIRFLOW}/airflow")
                site.kubectl("apply", "-f", "-", given=yaml.safe_dump_all(found))
                site.kubectl("apply", "-f", "-", given=serving_secret(cluster, f"machine_{team}"))
                for role, namespace in (("steps", cluster.namespace), ("servers", cluster.serving_namespace)):
                    user = ceph_user(f"{mark}-{role}-{team}")
                    site.give_secret(namespace, cluster.storage_secret, store_variables() | user)
            tenants = [
                Tenant(team, (f"machine_{team}",), (f"s3://{bucket}/arrivals/machine_{team}/{{partition}}.csv",))
                for team in TEAMS
            ]
            principal = f"arn:aws:iam:::user/{mark}-{{role}}-{{team}}"
            put_policy(bucket, bucket_policy(tenants, site.store, bucket, principal, ceph_owner))
            site.log_airflow_in(AIRFLOW, "airflow")
            yield site
        finally:
            if not os.environ.get("MILLRACE_TEST_KEEP"):
                site.kubectl("delete", "namespace", "--ignore-not-found", "--wait=false", *namespaces)
                files.delete_folder(f"s3://{bucket}/store")
                files.delete_folder(f"s3://{bucket}/arrivals")


@pytest.fixture(scope="module")
def runs(tenancy: Site, machine_rows: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """One run of each team's DAG side by side: its id, its row, and the namespaces of its pods."""
    arrivals = os.environ["MILLRACE_ARRIVALS_URI"]
    home = tmp_path_factory.mktemp("airflow_env")
    with running_airflow(tenancy, home, 8440, {"MILLRACE_ARRIVALS_URI": arrivals}) as airflow_env:
        for team in TEAMS:
            text = "\n".join(machine_rows(DAY, 600)) + "\n"
            files.write_bytes(f"{arrivals}/machine_{team}/{DAY}.csv", text.encode())
        days = {"partition_from": f"{DAY}", "partition_to": f"{DAY}"}
        begun = {team: airflow_env.trigger(f"machine_{team}", **days) for team in TEAMS}
        yield {team: _ended(airflow_env, f"machine_{team}", run_id) for team, run_id in begun.items()}


def _ended(airflow_env: AirflowEnv, dag_id: str, run_id: str) -> dict[str, Any]:
    row = airflow_env.finish(dag_id, run_id, timeout_seconds=900)
    tries = airflow_env.ledger.tries(dag_id, run_id, 0)
    return {"run_id": run_id, "row": row, "tries": tries}


@pytest.mark.timeout(1500)
@pytest.mark.parametrize("team", TEAMS)
def test_the_whole_dag_passes_with_the_teams_own_credentials(runs: dict[str, Any], team: str) -> None:
    row, tries = runs[team]["row"], runs[team]["tries"]
    assert (row["state"], row["decision"], row["team"]) == ("success", "pass", team), row
    pods = {each["task_id"]: each["process_uid"] for each in tries if each["process_uid"].startswith("pod:")}
    assert {"ingest", "validate", "train", "export", "evaluate"} <= set(pods)
    assert {uid.partition("/")[0] for uid in pods.values()} == {f"pod:tenancy-steps-{team}"}


@pytest.fixture(scope="module")
def found(tenancy: Site, runs: dict[str, Any], await_: Any) -> dict[str, str]:
    """What a pod with all that team red's steps have gets to hear, of its own and of team blue's."""
    arrivals, store = os.environ["MILLRACE_ARRIVALS_URI"], tenancy.store
    order = {team: _spec_of(tenancy, team) for team in TEAMS}
    served = {
        team: f"{store}/serving/machine_{team}/{runs[team]['row']['model_version']}/{SPEC_FILE}" for team in TEAMS
    }
    model = {
        team: f"{store}/models/machine_{team}/{runs[team]['row']['model_version']}/manifest.json" for team in TEAMS
    }
    given = {
        "read": {
            **{f"order of {team}": order[team] for team in TEAMS},
            **{f"model of {team}": model[team] for team in TEAMS},
            **{f"arrivals of {team}": f"{arrivals}/machine_{team}/{DAY}.csv" for team in TEAMS},
            **{f"served order of {team}": served[team] for team in TEAMS},
        },
        "write": {
            **{f"new order of {team}": f"{store}/runs/machine_{team}/by-hand/spec.json" for team in TEAMS},
            **{f"new target of {team}": served[team].replace(SPEC_FILE, "target.json") for team in TEAMS},
            "model written of blue": model["blue"],
        },
        "api": {
            f"secret in {kind}-{team}": f"/api/v1/namespaces/tenancy-{kind}-{team}/secrets/{name}"
            for team in TEAMS
            for kind, name in (("steps", f"storage-{team}"), ("serving", f"serving-machine-{team}"))
        }
        | {"pods of blue": "/api/v1/namespaces/tenancy-steps-blue/pods"},
        "service": {
            "model server of blue": "https://machine-blue.tenancy-serving-blue.svc:8443/v2/models/machine_blue"
        },
    }
    return _as_red(tenancy, given, await_)


def _spec_of(site: Site, team: str) -> str:
    specs = [each for each in files.walk(f"{site.store}/runs/machine_{team}") if each.names[-1] == SPEC_FILE]
    return files.join(f"{site.store}/runs/machine_{team}", *specs[0].names)


def _as_red(site: Site, given: dict[str, Any], await_: Any) -> dict[str, str]:
    namespace, name = "tenancy-steps-red", f"intruder-{secrets.token_hex(3)}"
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": {"app.kubernetes.io/part-of": "millrace"}},
        "spec": {
            "serviceAccountName": "step-red",
            "automountServiceAccountToken": True,
            "restartPolicy": "Never",
            "securityContext": pod_security(),
            "containers": [
                {
                    "name": "intruder",
                    "image": os.environ["MILLRACE_TEST_IMAGES"].replace("{image}", "data"),
                    "imagePullPolicy": "IfNotPresent",
                    "command": ["python3", "-c", PROGRAM, json.dumps(given)],
                    "envFrom": [{"secretRef": {"name": "storage-red"}}],
                    "securityContext": container_security(),
                    "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
                }
            ],
            "volumes": [{"name": "tmp", "emptyDir": {}}],
        },
    }
    site.kubectl("create", "-f", "-", given=json.dumps(pod))

    def ended() -> bool:
        phase = site.kubectl("-n", namespace, "get", "pod", name, "-o", "jsonpath={.status.phase}")
        return phase in ("Succeeded", "Failed")

    await_(ended, "the intruder's end", 180, 1)
    said = site.kubectl("-n", namespace, "logs", name)
    assert "FOUND " in said, said
    return dict(json.loads(said.rpartition("FOUND ")[2].splitlines()[0]))


def test_a_step_reads_and_writes_what_is_its_teams(found: dict[str, str]) -> None:
    own = ("order of red", "model of red", "arrivals of red", "new order of red")
    assert {name: found[name] for name in own} == dict.fromkeys(own, "200")


def test_a_step_gets_403_for_the_other_teams_part_of_the_store(found: dict[str, str]) -> None:
    others = ("order of blue", "model of blue", "arrivals of blue", "new order of blue", "model written of blue")
    assert {name: found[name] for name in others} == dict.fromkeys(others, "403")


def test_a_step_gets_403_for_what_model_servers_obey(found: dict[str, str]) -> None:
    orders = [f"{what} of {team}" for what in ("served order", "new target") for team in TEAMS]
    assert {name: found[name] for name in orders} == dict.fromkeys(orders, "403")


def test_a_step_gets_403_for_secrets_even_with_its_accounts_token(tenancy: Site, found: dict[str, str]) -> None:
    """Where NetworkPolicies are enforced, the pod does not even reach the API server."""
    asked = {name: said for name, said in found.items() if name.startswith(("secret in", "pods of"))}
    assert len(asked) == 5
    assert [name for name, said in asked.items() if said != "403" and not said.startswith("unreachable")] == []
    account = "system:serviceaccount:tenancy-steps-red:step-red"
    for namespace in ("tenancy-steps-blue", "tenancy-serving-blue", "tenancy-steps-red", AIRFLOW):
        for what in ("secrets", "pods", "services"):
            answer = tenancy.kubectl("--as", account, "-n", namespace, "auth", "can-i", "get", what, check=False)
            assert answer.strip() == "no", f"{what} in {namespace}"


def test_a_step_is_no_client_of_the_other_teams_model_server(found: dict[str, str]) -> None:
    """401 without its token; where NetworkPolicies are enforced, no answer at all."""
    said = found["model server of blue"]
    assert said == "401" or said.startswith("unreachable"), said


def _serving(site: Site, team: str) -> ServingCluster:
    cluster = Settings().cluster().for_team(team, f"machine_{team}")
    return ServingCluster(cluster, config.new_client_from_config(str(site.airflow_kubeconfig)))


def test_each_model_server_has_a_certificate_and_token_of_its_own(tenancy: Site, runs: dict[str, Any]) -> None:
    red, blue = (_serving(tenancy, team) for team in TEAMS)
    address, own = red.address("machine-red"), red.access("machine_red")
    with InferenceClient(address, "machine_red", access=own) as client:
        assert client.infer([ROW]).model_version == runs["red"]["row"]["model_version"]
    others = blue.access("machine_blue")
    for given, said in ((replace(own, token=others.token), 401), (replace(own, ca=others.ca), None)):
        with (
            InferenceClient(address, "machine_red", access=given) as client,
            pytest.raises(RequestFailedError) as error,
        ):
            client.infer([ROW])
        assert error.value.is_stale
        assert error.value.status == said


def test_no_pod_has_an_authoritys_key(tenancy: Site, runs: dict[str, Any]) -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    (secret,) = [each for each in tenancy.objects("secrets", "tenancy-serving-red") if "tls.key" in each["data"]]
    data = {name: base64.b64decode(value) for name, value in secret["data"].items()}
    authority = x509.load_pem_x509_certificate(data["ca.crt"])
    key = load_pem_private_key(data["tls.key"], None)
    assert authority.public_key() != key.public_key()
    assert set(data) == {"tls.crt", "tls.key", "ca.crt", "token"}


@pytest.mark.timeout(400)
def test_a_rotated_secret_is_read_by_the_server_and_by_its_client(tenancy: Site, runs: dict[str, Any]) -> None:
    red = _serving(tenancy, "red")
    address, before = red.address("machine-red"), red.access("machine_red")
    pods = {each["metadata"]["name"] for each in tenancy.objects("pods", "tenancy-serving-red")}
    tenancy.kubectl("apply", "-f", "-", given=serving_secret(red.cluster, "machine_red"))
    read = []

    def renew() -> Any:
        read.append(red.access("machine_red"))
        return read[-1]

    after = red.access("machine_red")
    assert (after.token, after.ca) != (before.token, before.ca)
    # its first request has the new secret, and the server has it once the kubelet has looked
    with InferenceClient(address, "machine_red", access=after, renew=renew) as client:
        assert client.infer_patiently([ROW]).model_version == runs["red"]["row"]["model_version"]
    # one that was begun before reads it anew
    with InferenceClient(address, "machine_red", access=before, renew=renew) as client:
        assert client.infer_patiently([ROW]).model_version == runs["red"]["row"]["model_version"]
    assert read
    with InferenceClient(address, "machine_red", access=replace(after, token=before.token)) as client:
        with pytest.raises(RequestFailedError) as error:
            client.infer([ROW])
        assert error.value.status == 401
    assert pods == {each["metadata"]["name"] for each in tenancy.objects("pods", "tenancy-serving-red")}


def test_airflow_has_no_more_than_the_teams_namespaces(tenancy: Site) -> None:
    for namespace in (AIRFLOW, "kube-system", "default"):
        for what in ("create pods", "get secrets"):
            answer = tenancy.kubectl(
                "--kubeconfig", str(tenancy.airflow_kubeconfig), "-n", namespace, "auth", "can-i", *what.split(),
                check=False,
            )  # fmt: skip
            assert answer.strip() == "no", f"{what} in {namespace}"
    assert Path(tenancy.airflow_kubeconfig).exists()
