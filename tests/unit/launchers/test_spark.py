"""A step on Spark: its application, and what its driver's end means to Airflow and the ledger."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.cncf.kubernetes.operators.spark_kubernetes import SparkKubernetesOperator
from airflow.sdk.exceptions import AirflowException

from millrace import settings
from millrace.contracts.measurement import MeterReading
from millrace.contracts.report import Report
from millrace.contracts.run_spec import REPORT_FILE, RunSpec, ValidateTask
from millrace.contracts.workload import Workload
from millrace.launchers.kubernetes import step_pod
from millrace.launchers.spark import SPARK_VERSION, spark_application
from millrace.orchestration.operators.pod_spark import PodSparkOperator
from millrace.settings import Settings
from millrace.sizing.requests import Request
from millrace.storage import files

READING = MeterReading(started_at=datetime(2026, 1, 2, tzinfo=UTC), wall_seconds=1, cpu_seconds=1, joules=5.0)


def order(run: Any, ledger: Any) -> ValidateTask:
    return ValidateTask(
        staged=(), dataset_uri="s3://bucket/table", engine="spark",
        live_profile=None, base_model=None,
    )  # fmt: skip


@pytest.fixture
def on_spark(spec: RunSpec) -> RunSpec:
    return spec.model_copy(update={"task": order(None, None)})


def test_driver_and_executors_are_as_restricted_as_a_pod_and_within_the_request(on_spark: RunSpec) -> None:
    cluster = Settings().cluster().model_copy(update={"spark_executors": 3, "tolerations": ({"key": "spot"},)})
    found = spark_application(cluster, on_spark, Request(cores=1, memory_bytes=4 << 30))
    pod = step_pod(cluster, "data", on_spark, Request(cores=1, memory_bytes=4 << 30))
    for role in ("driver", "executor"):
        part = found["spec"][role]
        assert part["podSecurityContext"] == pod.spec.security_context
        assert part["securityContext"] == pod.spec.containers[0].security_context
        assert (part["memory"], part["memoryOverhead"]) == ("2048m", "2048m")
        assert part["labels"] == pod.metadata.labels
        assert part["envFrom"] == [{"secretRef": {"name": "millrace-storage"}}]
    assert found["spec"]["executor"]["instances"] == 3
    assert "serviceAccount" not in found["spec"]["executor"]
    assert found["spec"]["arguments"] == ["--spec", f"{on_spark.attempt_uri}/spec.json"]
    assert found["spec"]["image"] == "millrace/spark:latest"
    json.dumps(found)


def test_the_version_that_is_named_is_the_one_that_is_locked(repository: Path) -> None:
    assert f"\npyspark=={SPARK_VERSION} " in (repository / "images/spark/requirements.txt").read_text()


@pytest.fixture
def context(task_context: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    monkeypatch.setenv("MILLRACE_HOME", str(tmp_path))
    settings.load_settings.cache_clear()
    settings.load_settings().ledger().migrate()
    yield task_context("validate")
    settings.load_settings.cache_clear()


@pytest.mark.parametrize("driver_ends", ["well", "badly, its report is there", "without a report"])
def test_the_drivers_report_decides(
    context: Any, workload: Workload, monkeypatch: pytest.MonkeyPatch, driver_ends: str
) -> None:
    ledger = settings.load_settings().ledger()

    def execute(application: SparkKubernetesOperator, _: Any) -> None:
        uri = application.template_spec["spec"]["arguments"][1]
        spec = RunSpec.model_validate_json(files.read_bytes(uri))
        report = Report(outcome="ok", reason="done", meter=READING)
        if driver_ends != "without a report":
            files.write_bytes(files.join(spec.attempt_uri, REPORT_FILE), report.model_dump_json().encode())
        if driver_ends != "well":
            raise AirflowException("the driver failed\nand more")

    monkeypatch.setattr(SparkKubernetesOperator, "execute", execute)
    task = PodSparkOperator(task_id="validate", image="data", make_task=order, workload=workload)
    if driver_ends == "without a report":
        with pytest.raises(AirflowException, match=r"left no report: the driver failed$"):
            task.execute(context)
    else:
        assert task.execute(context) == "done"
    [entry] = ledger.tries(workload.name, "manual__1", 0)
    assert entry["outcome"] == ("lost" if driver_ends == "without a report" else "ok")
    assert entry["process_uid"].startswith("spark:millrace-spark/")
