"""What a rollout leaves in the cluster."""

import base64
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from millrace.contracts.cluster import Cluster
from millrace.contracts.workload import ServingPolicy
from millrace.serving import gateway, keda, kserve, live, manifests
from millrace.serving.secret import serving_secret
from millrace.settings import Settings


@pytest.fixture
def cluster() -> Cluster:
    return Settings().cluster()


@pytest.fixture
def deployment(cluster: Cluster) -> dict[str, Any]:
    return manifests.deployment(cluster, "news_topics", "v1", ServingPolicy(), "s3://bucket/serving/news_topics/v1")


@pytest.mark.parametrize(
    ("given", "name"),
    [
        (("news_topics", ""), "news-topics"),
        (("news_topics", "20260114.ab-1"), "news-topics-20260114-ab-1"),
        (("7days", ""), "m-7days"),
        (("x" * 63, "v1"), "x" * 63),
    ],
)
def test_names_are_dns_labels(given: tuple[str, str], name: str) -> None:
    assert manifests.service_name(*given) == name
    assert len(name) <= 63


def test_the_autoscaler_or_the_rollout_says_how_many_servers_there_are(deployment: dict[str, Any]) -> None:
    assert "replicas" not in deployment["spec"]


def test_servers_are_probed_drained_spread_and_without_token(deployment: dict[str, Any]) -> None:
    pod = deployment["spec"]["template"]["spec"]
    (server,) = pod["containers"]
    assert {"startupProbe", "readinessProbe", "livenessProbe"} <= set(server)
    assert pod["automountServiceAccountToken"] is False
    assert pod["serviceAccountName"] == "millrace-server"
    assert pod["topologySpreadConstraints"][0]["topologyKey"] == "kubernetes.io/hostname"
    drain = server["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert pod["terminationGracePeriodSeconds"] > drain + ServingPolicy().max_request_seconds
    assert "env" not in server
    assert server["securityContext"] == {
        "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}
    }  # fmt: skip


def test_tls_and_token_are_on_unless_both_are_turned_off(cluster: Cluster, deployment: dict[str, Any]) -> None:
    def mounted(given: dict[str, Any]) -> bool:
        return any("secret" in volume for volume in given["spec"]["template"]["spec"]["volumes"])

    plain = cluster.model_copy(update={"serving_tls": False, "serving_token": False})
    assert mounted(deployment)
    open_one = manifests.deployment(plain, "news_topics", "v1", ServingPolicy(), "s3://bucket/v1")
    assert not mounted(open_one)
    probe = open_one["spec"]["template"]["spec"]["containers"][0]["readinessProbe"]
    assert probe["httpGet"]["scheme"] == "HTTP"


def test_the_selector_says_whose_servers_answer(cluster: Cluster) -> None:
    both = manifests.service(cluster, "news_topics", "", "")
    one = manifests.service(cluster, "news_topics", "", "v2")
    assert both["metadata"] == one["metadata"]
    assert both["spec"]["selector"] == {"millrace/workload": "news_topics"}
    assert one["spec"]["selector"] == {"millrace/workload": "news_topics", "millrace/version": "v2"}


def test_a_suspended_autoscaler_scales_in_no_direction(cluster: Cluster) -> None:
    behaviour = manifests.autoscaler(cluster, "news_topics", "v1", suspended=True)["spec"]["behavior"]
    assert {each["selectPolicy"] for each in behaviour.values()} == {"Disabled"}


def test_the_secret_is_new_each_time_and_good_for_every_service(cluster: Cluster) -> None:
    first, second = (yaml.safe_load(serving_secret(cluster)) for _ in range(2))
    assert first["data"]["token"] != second["data"]["token"]
    certificate = x509.load_pem_x509_certificate(base64.b64decode(first["data"]["tls.crt"]))
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert "*.millrace-serving.svc" in names.get_values_for_type(x509.DNSName)


def test_a_workloads_certificate_is_for_it_alone_and_its_authoritys_key_is_nowhere(cluster: Cluster) -> None:
    secret = yaml.safe_load(serving_secret(cluster, "news_topics"))
    data = {name: base64.b64decode(value) for name, value in secret["data"].items()}
    certificate, authority = (x509.load_pem_x509_certificate(data[name]) for name in ("tls.crt", "ca.crt"))
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert {name.partition(".")[0] for name in names.get_values_for_type(x509.DNSName)} == {"news-topics"}
    certificate.verify_directly_issued_by(authority)
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    key = load_pem_private_key(data["tls.key"], None)
    assert key.public_key() == certificate.public_key() != authority.public_key()
    assert set(data) == {"tls.crt", "tls.key", "ca.crt", "token"}


def test_a_gateway_weighs_the_versions_own_services(cluster: Cluster) -> None:
    route = gateway.http_route(
        cluster.model_copy(update={"gateway": "edge/public"}), "news_topics", {"v1": 90, "v2": 10}
    )
    (parent,) = route["spec"]["parentRefs"]
    assert (parent["namespace"], parent["name"]) == ("edge", "public")
    (rule,) = route["spec"]["rules"]
    assert {each["name"]: each["weight"] for each in rule["backendRefs"]} == {
        "news-topics-v1": 90,
        "news-topics-v2": 10,
    }
    assert rule["matches"][0]["path"]["value"] == "/v2/models/news_topics"


def test_keda_stands_in_for_the_autoscaler_where_its_prometheus_is_named(cluster: Cluster) -> None:
    with_keda = cluster.model_copy(
        update={"keda_prometheus_url": "http://prometheus.monitoring:9090", "in_flight_per_server": 6}
    )
    kinds = [each["kind"] for each in live.all_of(with_keda, "news_topics", "v1", ServingPolicy(), "s3://b/v1")]
    assert kinds == ["Service", "Deployment", "Service", "ScaledObject", "PodDisruptionBudget"]
    assert live.autoscaler_kinds(with_keda) == ("ScaledObject", "HorizontalPodAutoscaler")
    scaled = keda.scaled_object(with_keda, "news_topics", "v1")
    (trigger,) = scaled["spec"]["triggers"]
    assert trigger["metadata"]["threshold"] == "6"
    assert 'version="v1"' in trigger["metadata"]["query"]
    assert "annotations" not in scaled["metadata"]
    paused = keda.scaled_object(with_keda, "news_topics", "v1", suspended=True)
    assert paused["metadata"]["annotations"] == {"autoscaling.keda.sh/paused": "true"}


def test_without_gateway_and_keda_there_is_neither(cluster: Cluster) -> None:
    kinds = [each["kind"] for each in live.all_of(cluster, "news_topics", "v1", ServingPolicy(), "s3://b/v1")]
    assert kinds == ["Service", "Deployment", "Service", "HorizontalPodAutoscaler", "PodDisruptionBudget"]


def test_an_inference_service_is_the_same_restricted_server(cluster: Cluster, deployment: dict[str, Any]) -> None:
    made = kserve.inference_service(cluster, "news_topics", "v1", ServingPolicy(), "s3://bucket/serving/news_topics/v1")
    predictor = made["spec"]["predictor"]
    pod = deployment["spec"]["template"]["spec"]
    (server,), (container,) = pod["containers"], predictor["containers"]
    assert container == {**server, "name": "kserve-container"}
    assert {name: predictor[name] for name in pod if name != "containers"} == {
        name: pod[name] for name in pod if name != "containers"
    }
    assert "env" not in container
