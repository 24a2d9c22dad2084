"""Airflow's service account may do what it does, each verb by a test of its own, and nothing else."""

from pathlib import Path
from typing import Any

import pytest
import yaml

ROLES = Path(__file__).resolve().parents[2] / "images" / "kubernetes" / "roles.yaml"
# what the code does: operators/pod_step.py by its provider, operators/pod_gang.py, serving/cluster.py
USED = {
    "millrace-steps": {
        "pods": "create get list patch delete",
        "pods/log": "get",
        "jobs.batch": "create delete",
        "services": "create",
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
EACH = [
    (namespace, resource, verb)
    for namespace, resources in USED.items()
    for resource, verbs in resources.items()
    for verb in verbs.split()
]


@pytest.mark.parametrize(("namespace", "resource", "verb"), EACH, ids=["-".join(each) for each in EACH])
def test_airflow_may(site: Any, namespace: str, resource: str, verb: str) -> None:
    kind, _, rest = resource.partition("/")
    which = [f"--subresource={rest}"] if rest in ("log", "scale", "proxy") else []
    name = f"/{rest}" if rest and not which else ""
    answer = site.kubectl(
        "--kubeconfig", str(site.airflow_kubeconfig), "-n", namespace, "auth", "can-i", verb, kind + name, *which,
        check=False,
    )  # fmt: skip
    assert answer.strip() == "yes", f"the role of {namespace} lacks {verb} on {resource}"


@pytest.mark.parametrize(
    ("namespace", "verb", "resource"),
    [
        ("millrace-steps", "get", "secrets"),
        ("millrace-serving", "list", "secrets"),
        ("millrace-serving", "get", "secrets/millrace-storage"),
        ("millrace-steps", "create", "pods/exec"),
        ("kube-system", "list", "pods"),
        ("millrace-serving", "create", "pods"),
    ],
)
def test_airflow_may_not(site: Any, namespace: str, verb: str, resource: str) -> None:
    kind, _, rest = resource.partition("/")
    which = [kind, "--subresource=exec"] if rest == "exec" else [resource]
    answer = site.kubectl(
        "--kubeconfig", str(site.airflow_kubeconfig), "-n", namespace, "auth", "can-i", verb, *which, check=False
    )
    assert answer.strip() == "no"


def test_the_roles_have_no_verb_that_is_not_used() -> None:
    given = set()
    for role in yaml.safe_load_all(ROLES.read_text()):
        for rule in role.get("rules", []):
            group = rule["apiGroups"][0]
            for resource in rule["resources"]:
                kind, _, rest = resource.partition("/")
                rest = rest or next(iter(rule.get("resourceNames", [])), "")
                name = (f"{kind}.{group}" if group else kind) + (f"/{rest}" if rest else "")
                given |= {(role["metadata"]["namespace"], name, verb) for verb in rule["verbs"]}
    assert given == set(EACH)
