"""What Spark's containers start with, by a real spark-submit where there is one."""

import importlib.util
import os
import runpy
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from millrace.contracts.data import Column, Dataset, Source, Split, Target, Window
from millrace.contracts.measurement import Hardware
from millrace.contracts.parameters import Parameters
from millrace.contracts.report import IngestResult, Report, ValidateResult
from millrace.contracts.run_spec import REPORT_FILE, IngestTask, RunSpec, TryKey, ValidateTask
from millrace.contracts.workload import GatePolicy, Training, Workload

REPOSITORY = Path(__file__).parents[3]
LAUNCH = REPOSITORY / "images" / "spark" / "launch.py"
DAYS = (date(2026, 1, 1), date(2026, 1, 2))


@pytest.fixture(scope="module")
def command() -> Any:
    return runpy.run_path(str(LAUNCH))["command"]


def test_a_driver_is_spark_submit_in_client_mode(command: Any) -> None:
    found = command(["driver", "--properties-file", "p", "local:///x.py"], {"SPARK_DRIVER_BIND_ADDRESS": "10.0.0.1"})
    assert found[0] == "/opt/spark/bin/spark-submit"
    assert found[-5:] == ["--deploy-mode", "client", "--properties-file", "p", "local:///x.py"]
    assert "spark.driver.bindAddress=10.0.0.1" in found


def test_an_executor_has_the_options_and_the_memory_that_its_driver_gave(command: Any) -> None:
    names = ("DRIVER_URL", "EXECUTOR_ID", "EXECUTOR_CORES", "APPLICATION_ID", "EXECUTOR_POD_IP", "EXECUTOR_POD_NAME")
    given = {f"SPARK_{name}": name for name in (*names, "RESOURCE_PROFILE_ID")}
    options = {"SPARK_JAVA_OPT_0": "-Da=b", "SPARK_JAVA_OPT_1": "-Dc=d", "SPARK_EXECUTOR_MEMORY": "512m"}
    found = command(["executor"], given | options)
    assert found[:5] == ["java", "-Da=b", "-Dc=d", "-Xms512m", "-Xmx512m"]
    assert set(given.values()) <= set(found)


def test_anything_else_is_the_step(command: Any) -> None:
    assert command(["--spec", "file:///spec.json"], {}) is None


def order(folder: Path, name: str, task: Any) -> RunSpec:
    dataset = Dataset(
        source=Source(uri_template=f"{folder.as_uri()}/{{partition}}.csv", format="csv"),
        columns=(
            Column(name="id", type="int64"),
            Column(name="width", type="float64"),
            Column(name="kind", type="string"),
        ),
        features=("width",),
        target=Target(column="kind", kind="single_label", labels=("rose", "lily")),
        split=Split(key="id"),
        unique_by=("id",),
        deduplicate="dataset",
    )
    return RunSpec(
        key=TryKey(dag_id="d", run_id="r", repeat=0, task_id=name, try_number=1),
        workload=Workload(
            name="flowers",
            description="d",
            owner="t",
            team="t",
            start=DAYS[0],
            dataset=dataset,
            training=Training(trainer="t"),
            gate=GatePolicy(quality_floor=0),
        ),
        parameters=Parameters(epochs=1, batch_size=8, learning_rate=0.1),
        hardware=Hardware(
            name="h", cores=2, gflops_per_core=50, idle_watts_per_core=1, active_watts_per_core=5, memory_bytes=2**30
        ),
        attempt_uri=(folder / name).as_uri(),
        state_uri=(folder / "state").as_uri(),
        task=task,
    )


def run(spec: RunSpec, folder: Path, *command: str) -> Report:
    file = folder / f"{spec.key.task_id}.json"
    file.write_text(spec.model_dump_json())
    subprocess.run([*command, "--spec", file.as_uri()], check=True, timeout=300, cwd=folder)
    return Report.model_validate_json((folder / spec.key.task_id / REPORT_FILE).read_text())


@pytest.mark.skipif(importlib.util.find_spec("pyspark") is None, reason="this environment has no PySpark")
def test_a_driver_validates_on_spark_and_reports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", f"{REPOSITORY / 'plugins'}:{REPOSITORY / 'images' / 'data'}")
    for index, day in enumerate(DAYS):
        rows = [f"{number},0.5,{('rose', 'lily')[number % 2]}" for number in range(30 * index, 30 * index + 40)]
        (tmp_path / f"{day}.csv").write_text("\n".join(["id,width,kind", *rows]) + "\n")
    window = Window(first=DAYS[0], last=DAYS[1])
    ingested = run(order(tmp_path, "ingest", IngestTask(window=window)), tmp_path, sys.executable, str(LAUNCH)).result
    assert isinstance(ingested, IngestResult)
    task = ValidateTask(
        staged=ingested.staged, dataset_uri=(tmp_path / "table").as_uri(), engine="spark",
        live_profile=None, base_model=None,
    )  # fmt: skip
    found = importlib.util.find_spec("pyspark")
    assert found is not None
    assert found.origin is not None
    properties = tmp_path / "spark.properties"
    properties.write_text("spark.master local[2]\nspark.ui.enabled false\nspark.sql.shuffle.partitions 4\n")
    monkeypatch.setenv("SPARK_HOME", str(Path(found.origin).parent))
    monkeypatch.setenv("SPARK_DRIVER_BIND_ADDRESS", "127.0.0.1")
    monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    driver = [sys.executable, str(LAUNCH), "driver", "--properties-file", str(properties)]
    report = run(
        order(tmp_path, "validate", task), tmp_path,
        *driver, "--class", "org.apache.spark.deploy.PythonRunner", str(LAUNCH),
    )  # fmt: skip
    assert report.outcome == "ok"
    assert isinstance(report.result, ValidateResult)
    assert [(staged.rows, staged.duplicates) for staged in report.result.published] == [(40, 0), (30, 10)]
