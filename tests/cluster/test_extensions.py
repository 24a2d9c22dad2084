"""What is rendered for Gateway API, KEDA and KServe, as their CRDs' own schemas judge it in the API server."""

from typing import Any

import pytest
import yaml

from millrace.contracts.workload import ServingPolicy
from millrace.serving import gateway, keda, kserve
from millrace.settings import Settings

KINDS = ["HTTPRoute", "ScaledObject", "InferenceService"]


@pytest.fixture
def rendered() -> dict[str, dict[str, Any]]:
    used = {
        "gateway": "edge/public",
        "keda_prometheus_url": "http://prometheus.monitoring:9090",
        "image_pull_secrets": ("pull",),
    }
    cluster = Settings().cluster().model_copy(update=used)
    folder = "s3://bucket/serving/news_topics/v1"
    made = [
        gateway.http_route(cluster, "news_topics", {"v1": 90, "v2": 10}),
        keda.scaled_object(cluster, "news_topics", "v1", suspended=True),
        kserve.inference_service(cluster, "news_topics", "v1", ServingPolicy(), folder),
    ]
    return {each["kind"]: each for each in made}


def judged(site: Any, manifest: dict[str, Any]) -> str:
    """What the API server makes of it, without keeping it: its name, or nothing."""
    return str(
        site.kubectl(
            "apply", "--server-side", "--dry-run=server", "--validate=strict", "-o", "name", "-f", "-",
            given=yaml.safe_dump(manifest), check=False,
        )
    ).strip()  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_the_schema_takes_it(site: Any, crds: None, rendered: dict[str, Any], kind: str) -> None:
    assert judged(site, rendered[kind]).startswith(kind.lower())


@pytest.mark.parametrize("kind", KINDS)
def test_a_field_that_the_schema_does_not_know_is_refused(
    site: Any, crds: None, rendered: dict[str, Any], kind: str
) -> None:
    spec = rendered[kind]["spec"]
    inner = {"HTTPRoute": lambda: spec["rules"][0], "ScaledObject": lambda: spec["triggers"][0]}
    inner.get(kind, lambda: spec["predictor"]["containers"][0])()["noSuchField"] = "x"
    assert judged(site, rendered[kind]) == ""
