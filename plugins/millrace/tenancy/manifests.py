"""Kubernetes manifests of a team's namespaces: the common manifests with the team's names."""

from collections.abc import Iterable, Iterator, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml

from millrace.contracts.cluster import Cluster
from millrace.contracts.errors import BadInputError
from millrace.storage import packaged

AIRFLOW = "millrace-airflow/millrace-airflow"
_STEPS, _SPARK, _SERVING = "millrace-steps", "millrace-spark", "millrace-serving"

Manifest = dict[str, Any]


def manifests(
    clusters: Sequence[Cluster], airflow: str = AIRFLOW, folder: Path = packaged.KUBERNETES
) -> list[Manifest]:
    """Return namespaces, service accounts, roles, limits and network policies for the teams' cluster settings.

    ``airflow`` is the service account (``namespace/name``) that the roles are bound to. Raises BadInputError if the
    manifests are missing, and for settings that put two kinds of pods into one namespace.
    """
    if not (folder / "kustomization.yaml").is_file():
        raise BadInputError(
            "the manifests are not here",
            where=str(folder),
            rule="a checkout and an installed wheel have them, the image of Airflow has not",
            remedy="run it where one of them is",
        )
    names = yaml.safe_load((folder / "kustomization.yaml").read_text())["resources"]
    given = [each for name in names for each in yaml.safe_load_all((folder / name).read_text())]
    found: dict[tuple[str, str, str], Manifest] = {}
    for cluster in clusters:
        own = {_STEPS: cluster.namespace, _SPARK: cluster.spark_namespace, _SERVING: cluster.serving_namespace}
        if len({*own.values(), airflow.partition("/")[0]}) < 4:
            raise BadInputError(
                f"steps, Spark's drivers, servers and Airflow share a namespace: {', '.join(own.values())}",
                where="MILLRACE_KUBERNETES_NAMESPACE, …_SPARK_NAMESPACE, …_SERVING_NAMESPACE",
                rule="a user who may create pods in a namespace can use each service account there",
                remedy="give each its own",
            )
        secrets = sorted(
            {each.serving_secret for each in clusters if each.serving_namespace == cluster.serving_namespace}
        )
        for each in (*_renamed(given, own, airflow, secrets), *_accounts(cluster)):
            metadata = each["metadata"]
            found.setdefault((each["kind"], metadata.get("namespace", ""), metadata["name"]), each)
    return list(found.values())


def _renamed(
    given: Iterable[Manifest], own: dict[str, str], airflow: str, secrets: Sequence[str]
) -> Iterator[Manifest]:
    """Yield the common manifests of the namespaces in ``own``, renamed to the team's."""
    for each in deepcopy(list(given)):
        metadata = each["metadata"]
        field = "name" if each["kind"] == "Namespace" else "namespace"
        if metadata[field] not in own:
            continue
        metadata[field] = own[metadata[field]]
        metadata["labels"] = {**metadata.get("labels", {}), "app.kubernetes.io/part-of": "millrace"}
        for subject in each.get("subjects", ()):
            if f"{subject['namespace']}/{subject['name']}" == AIRFLOW:
                subject["namespace"], _, subject["name"] = airflow.partition("/")
            else:
                subject["namespace"] = own[subject["namespace"]]
        for rule in each.get("rules", ()):
            if "resourceNames" in rule:
                rule["resourceNames"] = list(secrets)
        yield each


def _accounts(cluster: Cluster) -> Iterator[Manifest]:
    """Yield the steps' service account, unless it is the namespace's default one."""
    if cluster.service_account != "default":
        metadata = {"name": cluster.service_account, "namespace": cluster.namespace}
        yield {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": metadata,
            "automountServiceAccountToken": False,
        }
