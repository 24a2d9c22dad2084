"""What a run has come to, without times and names of tries: a broken run is held against an unbroken one."""

import hashlib
import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import sqlalchemy as sa
from deltalake import DeltaTable
from matrix.airflow_env import AirflowEnv
from matrix.task import DAG, TASKS_WITH_RESULTS, run_id_of

from millrace.contracts.model import FolderManifest, ModelManifest
from millrace.contracts.report import Report, TrainResult
from millrace.contracts.retention import RetentionPolicy
from millrace.contracts.run_spec import REPORT_FILE
from millrace.runs.retention import Retention
from millrace.storage import files, folders, s3

_TABLES = {
    "partitions": "day, state, reason, row_count, duplicates, source_bytes, content_sha256, dataset_version, run_id",
    "dataset_versions": "workload, version, uri, run_id, repeat",
    "models": "workload, version, uri, manifest_sha256, state, dataset_version, dataset_until, previous_version",
    "model_events": "workload, sequence, version, event, actor, reason",
    "evaluations": "workload, version, run_id, role, row_count, micro_f1, macro_f1",
    "runs": "run_id, repeat, state, reason, decision, dataset_version, model_version",
}
# what differs between two runs that did the same: clocks, and where the training went on
_OWN = {"meter", "seconds", "rows_per_second", "resumed_from_step", "serving"}


def ledger_tables(airflow_env: AirflowEnv) -> dict[str, list[dict[str, Any]]]:
    """What the ledger says of data, models and the run."""
    engine = sa.create_engine(
        airflow_env.environment.get("MILLRACE_LEDGER_URL", airflow_env.ledger_url), poolclass=sa.pool.NullPool
    )
    with engine.connect() as connection:
        return {
            table: [
                dict(row)
                for row in connection.execute(sa.text(f"SELECT {names} FROM {table} ORDER BY 1, 2")).mappings()
            ]
            for table, names in _TABLES.items()
        }


def outcome(airflow_env: AirflowEnv) -> dict[str, Any]:
    """The ledger, the reports' results, the table's rows and history, and the bytes of everything that is named."""
    ledger = airflow_env.ledger
    reports = {
        task: ledger.committed_report(DAG, run_id_of(airflow_env.environment), task) for task in TASKS_WITH_RESULTS
    }
    plan = ledger.plan(DAG, run_id_of(airflow_env.environment))
    return {
        "ledger": ledger_tables(airflow_env),
        "results": {task: _result(report) for task, report in reports.items() if report},
        "plan": plan and [str(plan.dataset), plan.model_parameters, plan.train_rows],
        "table": table(airflow_env),
        "staged": {
            str(staged.partition): files.sha256(staged.file_uri)
            for report in [reports["ingest"]]
            if report and report.result
            for staged in report.result.staged  # type: ignore[union-attr]
        },
        "trained": _trained(reports["train"]),
        "models": {
            key.partition("models/")[2]: files.sha256(f"{airflow_env.store}/{key}")
            for key in airflow_env.objects()
            if key.startswith("models/") and not key.endswith(".part")
        },
        "counted tries": _counted(airflow_env),
    }


def table(airflow_env: AirflowEnv, version: int | None = None) -> dict[str, Any] | None:
    """The rows of each partition of the Delta table, its version and how many entries its history has."""
    uri = f"{airflow_env.store}/datasets/{DAG}"
    options = s3.delta_options(uri)
    if not DeltaTable.is_deltatable(uri, options):
        return None
    found = DeltaTable(uri, version=version, storage_options=options)
    rows = found.to_pyarrow_dataset().to_table().sort_by("id")
    return {
        "version": found.version(),
        "history": [entry["operation"] for entry in found.history()],
        "files": len(found.file_uris()),
        "partitions": {
            str(day): _digest(rows.filter(pa.compute.equal(rows["partition_"], day)))
            for day in pa.compute.unique(rows["partition_"])
        },
    }


def commits(table: DeltaTable) -> list[dict[str, Any]]:
    """Each entry of the table's log that wrote rows: the partitions that it wrote."""
    wrote: list[dict[str, Any]] = []
    options = s3.delta_options(table.table_uri)
    for version in range(table.version() + 1):
        added = pa.table(DeltaTable(table.table_uri, version=version, storage_options=options).get_add_actions(True))
        files_now = dict(zip(added["path"].to_pylist(), added["partition.partition_"].to_pylist(), strict=True))
        new = set(files_now) - {path for entry in wrote for path in entry["paths"]}
        if new:
            wrote.append({"partitions": sorted({str(files_now[path]) for path in new}), "paths": new})
    return wrote


def check_readers(airflow_env: AirflowEnv) -> None:
    """Whoever reads by the ledger, at this moment, reads whole, verified bytes."""
    tables = ledger_tables(airflow_env)
    published = [row for row in tables["partitions"] if row["state"] == "committed"]
    for row in tables["dataset_versions"]:
        seen = table(airflow_env, row["version"])
        assert seen is not None
        assert set(seen["partitions"]) >= {
            part["day"] for part in published if part["dataset_version"] == row["version"]
        }
    assert len({part["day"] for part in published}) == len(published), "two published versions of one partition"
    for row in tables["models"]:
        folders.open_sealed(row["uri"], row["manifest_sha256"], ModelManifest)
    trained = airflow_env.ledger.committed_report(DAG, run_id_of(airflow_env.environment), "train")
    if trained and isinstance(trained.result, TrainResult):
        folders.open_sealed(trained.result.trained_uri, trained.result.trained_sha256, FolderManifest)
    for key in airflow_env.objects():
        if key.endswith(f"/{REPORT_FILE}"):
            Report.model_validate_json(files.read_bytes(f"{airflow_env.store}/{key}"))


def swept(airflow_env: AirflowEnv) -> list[str]:
    """What is left in the store once the run is over and what nobody names is swept away, without made-up names."""
    airflow_env.ledger.close_run(DAG, run_id_of(airflow_env.environment), 0, state="failed", reason="swept by a test")
    policy = RetentionPolicy(attempt_days=0, models=0, grace_hours=0, table_hours=0)
    retention = Retention(airflow_env.store, airflow_env.ledger, policy, datetime.now(UTC) + timedelta(hours=1))
    retention.remove(retention.find())
    kept = [key for key in airflow_env.objects() if "/_delta_log/" not in key]  # a sweep is an entry of the log, too
    return sorted(re.sub(r"try-\d+|part-[-0-9a-f]+-c000|\d{8}T\d{6}\.\d+Z", "N", key) for key in kept)


def _result(report: Report) -> Any:
    text = report.model_dump_json(include={"outcome", "result", "reason"})
    return _without(json.loads(re.sub(r"/try-\d+(-restart-\d+)?/", "/try-N/", text)))


def _without(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without(item) for name, item in value.items() if name not in _OWN}
    return [_without(item) for item in value] if isinstance(value, list) else value


def _trained(report: Report | None) -> dict[str, str]:
    if report is None or not isinstance(report.result, TrainResult):
        return {}
    manifest = folders.open_sealed(report.result.trained_uri, report.result.trained_sha256, FolderManifest)
    return {name: digest.sha256 for name, digest in manifest.files.items()}


def _counted(airflow_env: AirflowEnv) -> dict[str, int]:
    """How many reports of each step brought joules with their result: one, however often it was tried."""
    counted: dict[str, int] = {}
    rows = airflow_env.ledger.tries(DAG, run_id_of(airflow_env.environment), 0)
    for row in rows:
        if row["outcome"] == "ok" and row["joules"] is not None and row["task_id"] in TASKS_WITH_RESULTS:
            counted[row["task_id"]] = counted.get(row["task_id"], 0) + 1
    starts = [(row["task_id"], row["started_at"]) for row in rows if row["joules"] is not None]
    assert len(set(starts)) == len(starts), f"a process is counted twice: {starts}"
    return counted


def _digest(rows: pa.Table) -> list[Any]:
    data = rows.combine_chunks()
    text = json.dumps(data.to_pylist(), default=str)
    return [rows.num_rows, hashlib.sha256(text.encode()).hexdigest()]
