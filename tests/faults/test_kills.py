"""Killed work and duplicate work, by name: F01, F02, F03 and F08 of the catalogue of faults."""

import signal
from collections.abc import Iterator
from typing import Any

import pytest
from deltalake import DeltaTable
from matrix import outcome
from matrix.airflow_env import DAYS, AirflowEnv, machine_rows
from matrix.catalogue import by_name
from matrix.task import DAG, OK, PART, RETRY, RUN_ID

from millrace.contracts.report import IngestResult
from millrace.storage import files, uploads

pytestmark = pytest.mark.timeout(300)
LARGE_ROWS = 900_000


def processes(airflow_env: AirflowEnv, task: str) -> list[str]:
    """The tries of a task that started a process, by their folders."""
    folders = {
        key.rpartition("/")[0]
        for key in airflow_env.objects()
        if f"/{task}/try-" in key and key.endswith("/meter.json")
    }
    return sorted(folder.rpartition("/")[2] for folder in folders)


def staged(airflow_env: AirflowEnv, run_id: str) -> dict[str, str]:
    report = airflow_env.ledger.committed_report(DAG, run_id, "ingest")
    assert report is not None
    assert isinstance(report.result, IngestResult)
    return {str(part.partition): files.sha256(part.file_uri) for part in report.result.staged}


def killed_in_a_large_file(airflow_env: AirflowEnv, point: str) -> None:
    airflow_env.deliver(DAYS[0], machine_rows(DAYS[0], LARGE_ROWS))
    airflow_env.run("ingest", 1, point=by_name(point))
    assert airflow_env.reached.exists(), airflow_env.said()
    assert not [key for key in airflow_env.objects() if key.endswith(".parquet")], "a part of a file has its name"
    assert outcome.ledger_tables(airflow_env)["partitions"] == []
    assert airflow_env.retry("ingest") == OK, airflow_env.said()
    killed = staged(airflow_env, "manual__2026-03-04T00:00:00+00:00")
    airflow_env.expect("ingest", FAULT_RUN_ID="manual__unbroken")
    assert killed == staged(airflow_env, "manual__unbroken")


def test_f01_killed_in_the_middle_of_a_file_nothing_is_published_and_the_retry_is_an_unbroken_run(
    airflow_env: AirflowEnv,
) -> None:
    killed_in_a_large_file(airflow_env, "ingest: in the middle of a large file")
    assert [key for key in airflow_env.objects() if key.endswith(".part")], "what the sweep is for"
    assert not [key for key in outcome.swept(airflow_env) if key.endswith(".part")]


def test_f01_killed_in_the_middle_of_an_upload_no_object_is_there_and_the_sweep_gives_its_parts_up(
    airflow_on_s3: AirflowEnv,
) -> None:
    killed_in_a_large_file(airflow_on_s3, "ingest: in the middle of an upload in parts")
    assert list(uploads.abandoned(airflow_on_s3.store)), "what the sweep is for"
    outcome.swept(airflow_on_s3)
    assert list(uploads.abandoned(airflow_on_s3.store)) == []


@pytest.mark.parametrize("task", ["validate", "export"])
def test_f02_killed_after_the_objects_and_before_the_commit_the_retry_commits_them_and_computes_nothing(
    airflow_env: AirflowEnv, task: str
) -> None:
    before = ["ingest"] if task == "validate" else ["ingest", "validate", "size", "train"]
    for earlier in before:
        airflow_env.expect(earlier)
    code = airflow_env.run(task, 1, point=by_name(f"{task}: task killed before the ledger's commit"))
    assert code == -signal.SIGKILL
    named = outcome.ledger_tables(airflow_env)
    assert named["models"] == []
    assert not [row for row in named["partitions"] if task == "validate" and row["state"] == "committed"]
    assert airflow_env.retry(task) == OK
    assert processes(airflow_env, task) == ["try-1"], "it was computed again"
    assert "an earlier try had finished" in airflow_env.said()
    outcome.check_readers(airflow_env)


def test_f02_one_of_two_parts_of_ingest_killed_its_retry_alone_works_again_and_nothing_is_validated_before(
    airflow_env: AirflowEnv,
) -> None:
    parts: Iterator[dict[str, Any]] = ({PART: f"{index} {day}..{day}"} for index, day in enumerate(DAYS))
    first, second = parts
    airflow_env.expect("ingest", **first)
    point = by_name("ingest: both partitions staged, before the report")
    assert airflow_env.run("ingest", 1, point=point, **second) == RETRY
    assert airflow_env.run("validate") == RETRY, "half of the window was validated"
    assert "the report of ingest is not in the ledger" in airflow_env.said()
    assert airflow_env.retry("ingest", **second) == OK
    assert processes(airflow_env, "ingest") == ["try-1"]
    assert processes(airflow_env, "ingest-1") == ["try-1", "try-2"]
    airflow_env.expect("validate", 2)
    rows = outcome.ledger_tables(airflow_env)["partitions"]
    assert [(row["day"], row["state"]) for row in rows] == [(str(day), "committed") for day in DAYS]
    starts = [
        (row["map_index"], row["started_at"])
        for row in airflow_env.ledger.tries(DAG, RUN_ID, 0)
        if row["step"] == "ingest"
    ]
    assert len(set(starts)) == len(starts) == 3, f"a process was counted twice, or a part never: {starts}"


def test_f03_killed_between_commit_and_success_the_retry_changes_nothing(airflow_env: AirflowEnv) -> None:
    airflow_env.expect("ingest")
    code = airflow_env.run("validate", 1, point=by_name("validate: task killed between commit and success"))
    assert code == -signal.SIGKILL
    named, table = outcome.ledger_tables(airflow_env), outcome.table(airflow_env)
    assert [row["state"] for row in named["partitions"]] == ["committed", "committed"]
    assert airflow_env.retry("validate") == OK
    assert outcome.ledger_tables(airflow_env) == named
    assert outcome.table(airflow_env) == table
    assert processes(airflow_env, "validate") == ["try-1"]


def test_f08_a_backfill_a_manual_run_and_their_retries_on_one_partition_publish_it_once(
    airflow_env: AirflowEnv,
) -> None:
    runs: list[dict[str, Any]] = [{"FAULT_RUN_ID": name} for name in ("backfill__one", "manual__two", "manual__three")]
    for task in ("ingest", "validate"):
        together: list[Any] = [airflow_env.start(task, **run) for run in runs]
        codes = [each.wait(200) for each in together]
        for run, code in zip(runs, codes, strict=True):
            assert code == OK or airflow_env.retry(task, **run) == OK, airflow_env.said()
    table = DeltaTable(f"{airflow_env.store}/datasets/{DAG}")
    written = [entry["partitions"] for entry in outcome.commits(table)]
    assert sorted(written) == [[str(day)] for day in DAYS], f"a partition was written twice: {written}"
    assert table.version() == len(DAYS)
    rows = outcome.ledger_tables(airflow_env)["partitions"]
    assert [(row["day"], row["state"]) for row in rows] == [(str(day), "committed") for day in DAYS]
    before = outcome.table(airflow_env)
    airflow_env.expect("validate", 7, FAULT_RUN_ID="manual__two")
    assert outcome.table(airflow_env) == before, "a repeat is not a no-op"
    outcome.check_readers(airflow_env)


def test_f08_two_tries_of_one_task_at_once_are_one_process_and_one_report(airflow_env: AirflowEnv) -> None:
    airflow_env.deliver(DAYS[0], machine_rows(DAYS[0], LARGE_ROWS))
    first = airflow_env.start("ingest", 1)
    while not processes(airflow_env, "ingest") and first.poll() is None:
        pass
    second = airflow_env.start("ingest", 2)
    codes = {first.wait(200), second.wait(200)}
    assert OK in codes or airflow_env.retry("ingest", 3) == OK, airflow_env.said()
    assert len(staged(airflow_env, "manual__2026-03-04T00:00:00+00:00")) == len(DAYS)
    assert airflow_env.quiet() == []
