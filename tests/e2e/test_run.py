"""A tabular workload from raw files to a served model, through a real Airflow."""

import json
import math
from datetime import date
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import httpx
import psutil

from millrace.contracts.report import EvaluateResult, ValidateResult
from millrace.contracts.run_spec import METER_FILE
from millrace.contracts.serving import ServingStatus
from millrace.planning.calibrate import calibrate
from millrace.runs import data_docs
from millrace.storage import files
from tests.e2e.conftest import AirflowEnv


def status_of(airflow_env: AirflowEnv) -> ServingStatus:
    return ServingStatus.model_validate_json((airflow_env.store / "serving/machine_faults/status.json").read_bytes())


def ask(airflow_env: AirflowEnv) -> dict[str, Any]:
    tensors = [
        {"name": name, "shape": [2], "datatype": "FP64", "data": data}
        for name, data in {"temperature": [40.0, 80.0], "vibration": [1.0, 5.0], "load": [0.5, 0.5]}.items()
    ]
    url = f"{status_of(airflow_env).address}/v2/models/machine_faults/infer"
    answer = httpx.post(url, json={"inputs": tensors}, timeout=10)
    answer.raise_for_status()
    return answer.json()


def test_raw_files_become_a_served_measured_model(airflow_env: AirflowEnv, first_day: date) -> None:
    days = [first_day.replace(day=first_day.day + offset) for offset in range(3)]
    for day in days[:2]:
        airflow_env.deliver(day)
    duplicated = airflow_env.deliver(days[2])
    lines = duplicated.read_text().splitlines()
    duplicated.write_text("\n".join([*lines, lines[-1], lines[-2]]) + "\n")

    run_id = airflow_env.run(partition_from=f"{days[0]}", partition_to=f"{days[2]}", ingest_parts=2)
    row = airflow_env.finish(run_id)

    assert (row["state"], row["decision"]) == ("success", "pass"), row
    assert row["quality"] > 0.9
    assert row["dataset_version"] is not None
    for measured in ("seconds", "joules", "peak_memory_bytes"):
        assert row[f"predicted_{measured}"] > 0, measured
        assert row[f"measured_{measured}"] > 0, measured
    assert row["energy_method"] == "estimated"
    tries = airflow_env.ledger.tries("machine_faults", run_id, 0)
    assert sorted(each["map_index"] for each in tries if each["step"] == "ingest") == [0, 1]

    validated = airflow_env.ledger.committed_report("machine_faults", run_id, "validate").result
    assert isinstance(validated, ValidateResult)
    assert [partition.rows for partition in validated.published] == [120, 120, 120]
    assert [partition.duplicates for partition in validated.published] == [0, 0, 2]
    assert data_docs.newest(files.to_uri(airflow_env.store), "machine_faults", run_id) is not None
    evaluated = airflow_env.ledger.committed_report("machine_faults", run_id, "evaluate").result
    assert isinstance(evaluated, EvaluateResult)
    assert evaluated.baseline is not None

    live = airflow_env.ledger.live_model("machine_faults")
    assert live.model.version == row["model_version"] == status_of(airflow_env).stable.version
    answer = ask(airflow_env)
    assert answer["model_version"] == live.model.version
    labels = next(output for output in answer["outputs"] if output["name"] == "labels")["data"]
    assert [json.loads(row)[0]["label"] for row in labels] == ["well", "broken"]


def test_airflow_and_the_model_server_listen_on_loopback_alone(airflow_env: AirflowEnv) -> None:
    """The server is that of the run above."""
    ours = set(airflow_env.airflow.processes())
    components = next(pid for pid, said in airflow_env.airflow.processes().items() if said.startswith("Airflow"))
    ours |= {child.pid for child in psutil.Process(components).children(recursive=True)}
    listening: list[Any] = [
        each for each in psutil.net_connections("inet") if each.pid in ours and each.status == "LISTEN"
    ]
    assert {each.laddr.ip for each in listening} == {"127.0.0.1"}, listening
    assert {airflow_env.airflow.port, urlsplit(status_of(airflow_env).address).port} <= {
        each.laddr.port for each in listening
    }


def written_links(client: httpx.Client, path: str) -> dict[str, str] | None:
    links: dict[str, str] = client.get(path).raise_for_status().json()["extra_links"]
    return links if all(links.values()) else None


def test_tasks_open_their_pages_and_leave_a_trail_of_assets(airflow_env: AirflowEnv) -> None:
    """Of the run above."""
    client = httpx.Client(base_url=airflow_env.airflow.url, headers=airflow_env.api.headers, timeout=60)
    run_id = airflow_env.ledger.live_model("machine_faults").run.run_id  # a scheduled run without data ends well, too
    for task, names in (
        ("train", {"Energy and cost"}),
        ("validate", {"Energy and cost", "Validation"}),
        ("watch", {"Energy and cost", "Models"}),
    ):
        path = f"/api/v2/dags/machine_faults/dagRuns/{run_id}/taskInstances/{task}/links"
        # Airflow writes a task's links after its state
        links = airflow_env.wait(partial(written_links, client, path), f"the links of {task}", 60)
        assert set(links) == names
        for address in links.values():
            assert client.get(address).status_code == 200, address
    assert run_id in client.get(links["Energy and cost"]).text
    events = client.get("/api/v2/assets/events", params={"source_dag_id": "machine_faults"}).json()["asset_events"]
    assert {each["name"] for each in events} == {"machine_faults/dataset", "machine_faults/model"}


def test_a_dry_run_prices_and_trains_nothing(airflow_env: AirflowEnv, first_day: date) -> None:
    airflow_env.deliver(first_day)
    run_id = airflow_env.run(partition_from=f"{first_day}", partition_to=f"{first_day}", dry_run=True)
    row = airflow_env.finish(run_id)
    assert row["state"] == "dry_run"
    assert row["predicted_joules"] > 0
    assert row["model_version"] is None
    assert airflow_env.ledger.committed_report("machine_faults", run_id, "train").outcome == "skipped"


def test_several_workers_are_for_a_cluster(airflow_env: AirflowEnv, first_day: date) -> None:
    airflow_env.deliver(first_day)
    run_id = airflow_env.run(partition_from=f"{first_day}", partition_to=f"{first_day}", workers=2)
    row = airflow_env.finish(run_id)
    assert row["state"] == "failed"
    assert "train: 2 workers on one machine" in row["reason"]
    tries = [each for each in airflow_env.ledger.tries("machine_faults", run_id, 0) if each["task_id"] == "train"]
    assert len(tries) == 1, "a refused parameter was retried"


def test_a_day_without_arrivals_is_skipped_with_its_reason(airflow_env: AirflowEnv) -> None:
    row = airflow_env.finish(airflow_env.run(partition_from="2025-01-01", partition_to="2025-01-01"))
    assert row["state"] == "skipped"
    assert "no new data" in row["reason"]


def test_every_steps_meter_reached_the_ledger(airflow_env: AirflowEnv) -> None:
    meters = list((airflow_env.store / "runs").glob(f"**/{METER_FILE}"))
    assert meters
    assert {meter.parent.parent.name for meter in meters} >= {"ingest", "validate", "train", "export", "evaluate"}


def test_the_next_plan_has_learned_from_what_runs_took(airflow_env: AirflowEnv, first_day: date) -> None:
    (learned,) = [each for each in calibrate(airflow_env.ledger) if each.family == "mlp_classifier"]
    run_id = airflow_env.run(partition_from=f"{first_day}", partition_to=f"{first_day}", dry_run=True)
    airflow_env.finish(run_id)
    plan = airflow_env.ledger.plan("machine_faults", run_id)
    assert plan.calibration == learned.version == 1
    trained = [row for row in airflow_env.ledger.trained_runs() if '"mlp_classifier"' in row["plan"]]
    assert trained
    (newest, cold) = trained[-1]["wall_seconds"], sum(plan.parts["seconds"].values())
    warm = plan.seconds_by_step["train"].p50
    assert abs(math.log(warm / newest)) <= abs(math.log(cold / newest))


def test_a_scaffolded_workload_runs(airflow_env: AirflowEnv, first_day: date) -> None:
    folder = airflow_env.arrivals / "churn"
    folder.mkdir()
    lines = [
        f"{number},{number % 7 + 10 * (number % 2)},{number % 5},{'yes' if number % 2 else 'no'}"
        for number in range(900)
    ]
    (folder / f"{first_day}.csv").write_text("\n".join(["id,amount,duration,label", *lines]) + "\n")
    row = airflow_env.finish(
        airflow_env.run("churn", partition_from=f"{first_day}", partition_to=f"{first_day}"), "churn"
    )
    assert (row["state"], row["decision"]) == ("success", "pass"), row
    assert row["quality"] > 0.9


def test_bad_input_is_named_published_nowhere_and_not_retried(airflow_env: AirflowEnv, first_day: date) -> None:
    before = (
        airflow_env.ledger.live_model("machine_faults"),
        airflow_env.ledger.latest_dataset("machine_faults", first_day),
    )
    file = airflow_env.deliver(first_day)
    good = file.read_text()
    lines = good.splitlines()
    file.write_text("\n".join([*lines[:40], lines[40].rsplit(",", 1)[0] + ",exploded", *lines[41:]]) + "\n")
    run_id = airflow_env.run(partition_from=f"{first_day}", partition_to=f"{first_day}")
    row = airflow_env.finish(run_id)
    file.write_text(good)
    assert row["state"] == "failed"
    assert row["model_version"] is None
    tries = airflow_env.ledger.tries("machine_faults", run_id, 0)
    ingest = [entry for entry in tries if entry["task_id"] == "ingest"]
    assert len(ingest) == 1, "bad input was retried"
    done = {entry["task_id"] for entry in tries}
    assert done == {"plan_ingest", "ingest", "finish"}, "something was asked for after bad input"
    logs = (airflow_env.store / "runs" / "machine_faults").glob("*/ingest/try-1/report.json")
    error = json.loads(max(logs, key=lambda path: path.stat().st_mtime).read_text())["error"]
    assert file.name in error["where"]
    assert "row 40," in error["where"]
    assert "state" in error["what"] + error["where"] + error["rule"]
    assert error["remedy"]
    assert before == (
        airflow_env.ledger.live_model("machine_faults"),
        airflow_env.ledger.latest_dataset("machine_faults", first_day),
    )
