"""What is rendered for Gateway API, KEDA, KServe and Spark, as their CRDs' own schemas judge it in the API server."""

from typing import Any

import pytest
import yaml

from millrace.contracts.run_spec import RunSpec
from millrace.contracts.workload import ServingPolicy
from millrace.launchers.spark import spark_application
from millrace.serving import gateway, keda, kserve
from millrace.settings import Settings
from millrace.sizing.requests import Request
from tests.cluster.conftest import Site

KINDS = ["HTTPRoute", "ScaledObject", "InferenceService", "SparkApplication"]


@pytest.fixture
def spec() -> RunSpec:
    """An order of validation on Spark."""
    dataset = {
        "source": {"uri_template": "s3://bucket/{partition}.csv", "format": "csv"},
        "columns": [{"name": "id", "type": "int64"}, {"name": "kind", "type": "string"}],
        "features": ["id"],
        "target": {"column": "kind", "kind": "single_label", "labels": ["rose", "lily"]},
        "split": {"key": "id"},
        "unique_by": ["id"],
        "deduplicate": "dataset",
    }
    workload = {
        "name": "flowers", "description": "d", "owner": "tests", "team": "tests", "start": "2026-01-01",
        "dataset": dataset, "training": {"trainer": "mlp_classifier"}, "gate": {"quality_floor": 0.5},
    }  # fmt: skip
    task = {
        "kind": "validate", "staged": [], "dataset_uri": "s3://bucket/table", "engine": "spark",
        "live_profile": None, "base_model": None,
    }  # fmt: skip
    return RunSpec.model_validate(
        {
            "key": {"dag_id": "flowers", "run_id": "r", "repeat": 0, "task_id": "validate", "try_number": 1},
            "workload": workload,
            "parameters": {"epochs": 1, "batch_size": 8, "learning_rate": 0.1},
            "hardware": Settings().hardware("auto").model_dump(),
            "attempt_uri": "s3://bucket/try-1",
            "state_uri": "s3://bucket/state-0",
            "task": task,
        }
    )


@pytest.fixture
def rendered(spec: RunSpec) -> dict[str, dict[str, Any]]:
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
        spark_application(cluster.model_copy(update={"hadoop_secret": "hadoop"}), spec, Request(1, 4 << 30)),
    ]
    return {each["kind"]: each for each in made}


def judged(site: Site, manifest: dict[str, Any]) -> str:
    """What the API server makes of it, without keeping it: its name, or nothing."""
    return str(
        site.kubectl(
            "apply", "--server-side", "--dry-run=server", "--validate=strict", "-o", "name", "-f", "-",
            given=yaml.safe_dump(manifest), check=False,
        )
    ).strip()  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_the_schema_takes_it(site: Site, crds: None, rendered: dict[str, Any], kind: str) -> None:
    rendered[kind]["metadata"].setdefault("name", "named-by-its-operator")
    assert judged(site, rendered[kind]).startswith(kind.lower())


@pytest.mark.parametrize("kind", KINDS)
def test_a_field_that_the_schema_does_not_know_is_refused(
    site: Site, crds: None, rendered: dict[str, Any], kind: str
) -> None:
    spec = rendered[kind]["spec"]
    inner = {
        "HTTPRoute": lambda: spec["rules"][0],
        "ScaledObject": lambda: spec["triggers"][0],
        "SparkApplication": lambda: spec["driver"],
    }
    inner.get(kind, lambda: spec["predictor"]["containers"][0])()["noSuchField"] = "x"
    assert judged(site, rendered[kind]) == ""
