"""What keeps teams apart, as a site applies it: names, the bucket's policy, a team's manifests."""

import fnmatch
import json
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from millrace.cli.app import app
from millrace.contracts.cluster import Cluster
from millrace.contracts.errors import BadInputError
from millrace.settings import KubernetesSettings, Settings
from millrace.tenancy.bucket_policy import Tenant, bucket_policy
from millrace.tenancy.manifests import manifests

STORE = "s3://bucket/store"
RED = Tenant("red", ("red_one", "red_two"), ("s3://bucket/arrivals/red_one/{partition}.csv",))
BLUE = Tenant("blue_sky", ("blue",), ("s3://bucket/arrivals/blue/{year}/{month}.csv",))
NAMES = {
    "MILLRACE_KUBERNETES_NAMESPACE": "steps-{team}",
    "MILLRACE_KUBERNETES_SERVING_NAMESPACE": "serving-{team}",
    "MILLRACE_KUBERNETES_SPARK_NAMESPACE": "spark-{team}",
    "MILLRACE_KUBERNETES_SERVICE_ACCOUNT": "step-{team}",
    "MILLRACE_KUBERNETES_SERVING_SECRET": "serving-{workload}",
}


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Cluster:
    for name, value in {**NAMES, "MILLRACE_HOME": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    return Settings().cluster()


def test_names_are_the_workloads_own(cluster: Cluster) -> None:
    own = cluster.for_team("blue_sky", "news.topics")
    assert own.namespace == "steps-blue-sky"
    assert own.serving_secret == "serving-news-topics"
    assert own.is_shared
    assert not cluster.is_shared


def test_a_site_without_teams_changes_nothing() -> None:
    cluster = Settings().cluster()
    assert cluster.is_shared
    assert cluster.for_team("red", "one") == cluster


def test_a_name_that_is_no_namespace_is_refused(cluster: Cluster) -> None:
    with pytest.raises(BadInputError, match="no namespace"):
        cluster.for_team("t" * 63, "one")


@pytest.mark.parametrize("name", ["steps-{teams}", "Steps", "steps_{team}", "{team"])
def test_other_placeholders_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="namespace"):
        KubernetesSettings(namespace=name)


def allowed(policy: dict[str, Any], user: str, action: str, key: str) -> bool:
    """Whether a policy's statements about objects let a user do this: S3's stars match slashes too, as fnmatch's do."""
    return any(
        f"arn:aws:iam:::user/{user}" in each["Principal"]["AWS"]
        and f"s3:{action}" in each["Action"]
        and any(fnmatch.fnmatchcase(f"arn:aws:s3:::bucket/{key}", pattern) for pattern in each["Resource"])
        for each in policy["Statement"]
        if each["Effect"] == "Allow"
    )


STEPS, SERVERS = "millrace-steps-red", "millrace-servers-red"


@pytest.mark.parametrize(
    ("user", "action", "key", "may"),
    [
        (STEPS, "PutObject", "store/runs/red_one/run/train/try-1/spec.json", True),
        (STEPS, "PutObject", "store/datasets/red_two/_delta_log/0.json", True),
        (STEPS, "PutObject", "store/dataset-generations/red_two/2/x", True),
        (STEPS, "DeleteObject", "store/models/red_one/v1/model.onnx", True),
        (STEPS, "GetObject", "store/base-models/minilm/model.safetensors", True),
        (STEPS, "PutObject", "store/base-models/minilm/model.safetensors", False),
        (STEPS, "GetObject", "arrivals/red_one/2026-01-01.csv.gz", True),
        (STEPS, "PutObject", "arrivals/red_one/2026-01-01.csv", False),
        (STEPS, "GetObject", "arrivals/blue/2026/01.csv", False),
        (STEPS, "GetObject", "store/serving/red_one/v1/spec.json", False),
        (STEPS, "PutObject", "store/serving/red_one/v1/target.json", False),
        (STEPS, "GetObject", "store/runs/blue/run/spec.json", False),
        (STEPS, "GetObject", "store/runs/red_one_more/run/spec.json", False),
        (STEPS, "GetObject", "store/datasets/blue/part.parquet", False),
        (STEPS, "GetObject", "store/models/blue/v1/model.onnx", False),
        (SERVERS, "GetObject", "store/serving/red_one/v1/spec.json", True),
        (SERVERS, "GetObject", "store/models/red_one/v1/model.onnx", True),
        (SERVERS, "PutObject", "store/models/red_one/v1/model.onnx", False),
        (SERVERS, "GetObject", "store/datasets/red_one/part.parquet", False),
        (SERVERS, "GetObject", "store/serving/blue/v1/spec.json", False),
    ],
)
def test_each_has_its_own_part_of_the_store(user: str, action: str, key: str, may: bool) -> None:
    policy = bucket_policy([RED, BLUE], STORE, "bucket")
    assert allowed(policy, user, action, key) is may


@pytest.mark.parametrize(
    "template",
    [
        "s3://bucket/store/datasets/blue/{partition}.parquet",
        "s3://bucket/{partition}/report.json",
        "s3://bucket/sto{year}/x",
    ],
)
def test_a_source_opens_nothing_of_the_store(template: str) -> None:
    with pytest.raises(BadInputError, match="would open what others keep"):
        bucket_policy([Tenant("red", ("one",), (template,))], STORE, "bucket")


def test_every_listing_has_a_prefix_of_the_teams_own() -> None:
    for each in bucket_policy([RED], STORE, "bucket")["Statement"]:
        if each["Action"] == ["s3:ListBucket"]:
            prefixes = each["Condition"].get("StringLike", {}).get("s3:prefix", [])
            assert all(prefix.endswith("/*") and not prefix.startswith("*") for prefix in prefixes)
            assert prefixes or each["Condition"] == {"Null": {"s3:prefix": "true", "s3:max-keys": "true"}}


def test_manifests_bind_airflow_in_the_teams_namespaces_alone(cluster: Cluster) -> None:
    found = manifests([cluster.for_team("red", name) for name in ("red_one", "red_two")], "air/flow")
    spaces = {each["metadata"]["name"] for each in found if each["kind"] == "Namespace"}
    assert spaces == {"steps-red", "spark-red", "serving-red"}
    assert {each["metadata"]["namespace"] for each in found if each["kind"] != "Namespace"} == spaces
    subjects = {
        (each["metadata"]["namespace"], subject["namespace"], subject["name"])
        for each in found
        for subject in each.get("subjects", [])
    }
    assert subjects == {
        *((space, "air", "flow") for space in spaces),
        ("spark-red", "spark-red", "millrace-spark"),
    }
    named = [rule["resourceNames"] for each in found for rule in each.get("rules", []) if "resourceNames" in rule]
    assert named == [["serving-red-one", "serving-red-two"]]
    accounts = {
        (each["metadata"]["namespace"], each["metadata"]["name"]) for each in found if each["kind"] == "ServiceAccount"
    }
    assert ("steps-red", "step-red") in accounts
    # whoever creates pods in a namespace can become whoever has an account there
    creators = {
        each["metadata"]["namespace"]
        for each in found
        if each["kind"] == "Role" and each["metadata"]["name"] == "driver"
    }
    assert creators == {"spark-red"}


def test_one_namespace_for_two_kinds_of_pods_is_refused(cluster: Cluster) -> None:
    shared = cluster.for_team("red", "one").model_copy(update={"spark_namespace": "steps-red"})
    with pytest.raises(BadInputError, match="share a namespace"):
        manifests([shared])


def test_the_commands_print_what_is_applied(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILLRACE_STORAGE_URI", STORE)
    monkeypatch.setenv("MILLRACE_ARRIVALS_URI", "s3://bucket/arrivals")
    from millrace.settings import load_settings

    load_settings.cache_clear()
    load_settings().ledger().migrate()
    run = CliRunner().invoke
    policy = json.loads(run(app, ["tenants", "policy", "--add", "red/red_one", "--add", "blue/blue"]).stdout)
    assert allowed(policy, STEPS, "GetObject", "arrivals/red_one/2026-01-01.csv")
    assert not allowed(policy, STEPS, "GetObject", "arrivals/red_one_more/2026-01-01.csv")
    objects = list(yaml.safe_load_all(run(app, ["tenants", "manifests", "red", "--add", "red/red_one"]).stdout))
    assert "serving-red" in {each["metadata"]["name"] for each in objects if each["kind"] == "Namespace"}
    load_settings.cache_clear()
