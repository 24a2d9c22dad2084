"""The events of Airflow's OpenLineage provider say what a task and its run took."""

import importlib.util
import json
import os
import shutil
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import AirflowEnv

if importlib.util.find_spec("airflow.providers.openlineage") is None:
    pytest.skip(
        "apache-airflow-providers-openlineage is not installed: make lineage-test does it", allow_module_level=True
    )

DAG, DAY = "machine_faults", date(2026, 3, 2)


def test_the_events_of_a_run_hold_what_the_ledger_says(
    tmp_path: Path,
    repository: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "dags").mkdir()
    shutil.copy(repository / "tests" / "e2e" / "dags" / f"{DAG}.py", tmp_path / "dags")
    events = tmp_path / "events.jsonl"
    transport = {"type": "file", "log_file_path": str(events), "append": True}
    monkeypatch.setenv("AIRFLOW__OPENLINEAGE__TRANSPORT", json.dumps(transport))
    monkeypatch.setenv("AIRFLOW__OPENLINEAGE__CUSTOM_RUN_FACETS", "millrace.orchestration.lineage.run_facets")
    path = [str(repository / "plugins"), str(repository / ".venvs" / "lineage")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path))
    airflow_env = AirflowEnv(tmp_path, tmp_path / "dags")
    with airflow_env.running():
        airflow_env.deliver(DAY)
        run_id = airflow_env.run(partition_from=f"{DAY}", partition_to=f"{DAY}", dry_run=True)
        row = airflow_env.finish(run_id)
        airflow_env.wait(lambda: "millrace_run" in facets(events, run_id, "finish"), "the event of the run's end", 60)
    # OpenLineage leaves out what is None
    known = {name: value for name, value in row.items() if value is not None}
    assert facets(events, run_id, "finish")["millrace_run"]["run_summary"] == known
    assert (row["state"], row["measured_joules"] > 0) == ("dry_run", True)
    of_tasks = [
        facets(events, run_id, task)["millrace_task"] for task in ("plan_ingest", "ingest", "validate", "size", "train")
    ]
    # the rest is of `finish` and of tasks that wait
    assert sum(each["joules"] for each in of_tasks) == pytest.approx(row["measured_joules"], rel=0.05)
    assert {each["energy_method"] for each in of_tasks} == {row["energy_method"]}


def facets(events: Path, run_id: str, task: str) -> dict[str, Any]:
    """Ours, of the task's last event."""
    found: dict[str, Any] = {}
    for line in events.read_text().splitlines() if events.exists() else []:
        event = json.loads(line)
        known = event["run"]["facets"]
        if (
            event["job"]["name"] == f"{DAG}.{task}"
            and known.get("airflow", {}).get("dagRun", {}).get("run_id") == run_id
        ):
            found = {name: facet for name, facet in known.items() if name.startswith("millrace")}
    return found
