"""Airflow's service account may do what it does, each verb by a test of its own, and nothing else."""

import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster.conftest import Site

ROLES = Path(__file__).resolve().parents[2] / "images" / "kubernetes" / "roles.yaml"
# what the code does: operators/pod_{step,spark}.py by their provider, operators/pod_worker_group.py, serving/cluster.py
USED = {
    "millrace-steps": {
        "pods": "create get list patch delete",
        "pods/log": "get",
        "jobs.batch": "create delete",
        "services": "create",
    },
    "millrace-spark": {
        "sparkapplications.sparkoperator.k8s.io": "create delete",
        "sparkapplications.sparkoperator.k8s.io/status": "get",
        "pods": "get list patch",
        "pods/log": "get",
    },
    "millrace-serving": {
        "deployments.apps": "create get list patch delete",
        "deployments.apps/scale": "patch",
        "services": "create get list patch delete",
        "horizontalpodautoscalers.autoscaling": "create list patch delete",
        "httproutes.gateway.networking.k8s.io": "create patch delete",
        "scaledobjects.keda.sh": "create list patch delete",
        "poddisruptionbudgets.policy": "create patch",
        "pods": "list",
        "pods/proxy": "get",
        "secrets/millrace-serving": "get",
    },
}


def roles() -> list[dict[str, Any]]:
    """Airflow's roles, as an administrator applies them; each has its namespace's name."""
    found = [each for each in yaml.safe_load_all(ROLES.read_text()) if each["kind"] == "Role"]
    return [each for each in found if each["metadata"]["name"] == each["metadata"]["namespace"]]


def names_of(rule: dict[str, Any]) -> list[str]:
    """A rule's resources, as USED names them."""
    group = rule["apiGroups"][0]
    names = []
    for resource in rule["resources"]:
        kind, _, rest = resource.partition("/")
        rest = rest or next(iter(rule.get("resourceNames", [])), "")
        names.append((f"{kind}.{group}" if group else kind) + (f"/{rest}" if rest else ""))
    return names


EACH = [
    (namespace, resource, verb)
    for namespace, resources in USED.items()
    for resource, verbs in resources.items()
    for verb in verbs.split()
]


def may(site: Site, who: list[str], namespace: str, resource: str, verb: str) -> bool:
    """Whether the API server lets ``who`` (kubectl's options) do it."""
    kind, _, rest = resource.partition("/")
    which = [f"--subresource={rest}"] if rest in ("log", "scale", "status", "proxy", "exec") else []
    name = f"/{rest}" if rest and not which else ""
    answer = site.kubectl(*who, "-n", namespace, "auth", "can-i", verb, kind + name, *which, check=False).strip()
    assert answer in ("yes", "no"), answer
    return bool(answer == "yes")


@pytest.fixture(scope="module")
def airflow(site: Site) -> list[str]:
    return ["--kubeconfig", str(site.airflow_kubeconfig)]


@pytest.mark.parametrize(("namespace", "resource", "verb"), EACH, ids=["-".join(each) for each in EACH])
def test_airflow_may(site: Site, airflow: list[str], namespace: str, resource: str, verb: str) -> None:
    assert may(site, airflow, namespace, resource, verb), f"the role of {namespace} lacks {verb} on {resource}"


@pytest.fixture
def somebody(site: Site) -> Iterator[str]:
    """A name that no role is bound to yet; what is bound to it goes with the test."""
    name = f"somebody-{secrets.token_hex(4)}"
    yield name
    for namespace in USED:
        site.kubectl("-n", namespace, "delete", "roles,rolebindings", "-l", f"for={name}", "--wait=false")


def without(role: dict[str, Any], resource: str, verb: str, name: str) -> list[dict[str, Any]]:
    """A copy of the role that lacks one verb on one resource, bound to the user ``name``."""
    rules = []
    for rule in role["rules"]:
        (named,) = names_of(rule)
        verbs = [each for each in rule["verbs"] if (named, each) != (resource, verb)]
        rules += [{**rule, "verbs": verbs}] if verbs else []
    metadata = {"name": name, "namespace": role["metadata"]["namespace"], "labels": {"for": name}}
    rbac = {"apiVersion": "rbac.authorization.k8s.io/v1", "metadata": metadata}
    return [
        {**rbac, "kind": "Role", "rules": rules},
        {
            **rbac,
            "kind": "RoleBinding",
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": name}],
        },
    ]


@pytest.mark.parametrize(("namespace", "resource", "verb"), EACH, ids=["-".join(each) for each in EACH])
def test_without_the_verb_the_test_of_that_name_fails(
    site: Site, somebody: str, await_: Any, namespace: str, resource: str, verb: str
) -> None:
    (role,) = [each for each in roles() if each["metadata"]["namespace"] == namespace]
    copy = without(role, resource, verb, somebody)
    site.kubectl("create", "-f", "-", given=yaml.safe_dump_all(copy))
    # once the copy is in force, all else that the role allows is allowed, and this is not
    (other, allowed) = next(each[1:] for each in EACH if each[0] == namespace and each[1:] != (resource, verb))
    await_(lambda: may(site, ["--as", somebody], namespace, other, allowed), "the copy of the role", 10)
    assert not may(site, ["--as", somebody], namespace, resource, verb)


@pytest.mark.parametrize(
    ("namespace", "verb", "resource"),
    [
        ("millrace-steps", "get", "secrets"),
        ("millrace-serving", "list", "secrets"),
        ("millrace-serving", "get", "secrets/millrace-storage"),
        ("millrace-steps", "create", "pods/exec"),
        ("kube-system", "list", "pods"),
        ("millrace-serving", "create", "pods"),
        ("millrace-spark", "create", "pods"),
        ("millrace-airflow", "create", "pods"),
        ("millrace-airflow", "get", "secrets"),
    ],
)
def test_airflow_may_not(site: Site, airflow: list[str], namespace: str, verb: str, resource: str) -> None:
    assert not may(site, airflow, namespace, resource, verb)


def test_the_roles_have_no_verb_that_is_not_used() -> None:
    given = {
        (role["metadata"]["namespace"], name, verb)
        for role in roles()
        for rule in role["rules"]
        for name in names_of(rule)
        for verb in rule["verbs"]
    }
    assert given == set(EACH)


def test_a_driver_of_spark_cannot_become_airflow(site: Site) -> None:
    """Who creates pods in a namespace can be any account there, and mount any secret."""
    driver = ["--as", "system:serviceaccount:millrace-spark:millrace-spark"]
    assert may(site, driver, "millrace-spark", "pods", "create")
    assert not any(
        may(site, driver, namespace, "pods", "create") for namespace in ("millrace-airflow", "millrace-steps")
    )
    accounts = {each["metadata"]["name"] for each in site.objects("serviceaccounts", "millrace-spark")}
    assert accounts == {"default", "millrace-spark"}
