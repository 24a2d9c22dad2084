"""Bad data ends a run before anything is trained: F09, F10 and F11 of the catalogue of faults."""

import gzip
import io
from collections.abc import Callable
from typing import Any

import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest
from matrix import outcome
from matrix.airflow_env import DAYS, AirflowEnv, machine_rows
from matrix.task import DAG, FAILED, FORMAT, OK, RUN_ID

from millrace.contracts.report import Report
from millrace.storage import files

pytestmark = pytest.mark.timeout(300)
SECRET = "zerbrochen-4711"
LATER = {"FAULT_RUN_ID": "manual__later"}


def text(lines: list[str]) -> bytes:
    return ("\n".join(lines) + "\n").encode()


def parquet(lines: list[str]) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pacsv.read_csv(io.BytesIO(text(lines))), sink)
    return sink.getvalue()


def good_first(airflow_env: AirflowEnv, ending: str) -> None:
    """A first run of the same two days is published."""
    for day in DAYS:
        file = airflow_env.deliver(day)
        if ending == "parquet":
            file.with_suffix(".parquet").write_bytes(parquet(machine_rows(day)))
    for task in ("ingest", "validate"):
        options: dict[str, Any] = {FORMAT: ending}
        airflow_env.expect(task, **options)


def refused(airflow_env: AirflowEnv, content: bytes, name: str, ending: str = "csv") -> str:
    """Another delivery of the first day is refused for good, by ingest or by validation; what the error says."""
    named, table = outcome.ledger_tables(airflow_env), outcome.table(airflow_env)
    folder = airflow_env.home / "arrivals" / DAG
    (folder / f"{DAYS[0]}.{ending}").unlink()
    (folder / name).write_bytes(content)
    code = airflow_env.run("ingest", 2, **LATER, **{FORMAT: ending})
    if code == OK:
        code = airflow_env.run("validate", 2, **LATER, **{FORMAT: ending})
    assert code == FAILED, f"{code}: bad input is never retried\n{airflow_env.said()}"
    found = outcome.ledger_tables(airflow_env)
    assert found["partitions"] == named["partitions"], "the last good version did not stay"
    assert found["dataset_versions"] == named["dataset_versions"]
    assert outcome.table(airflow_env) == table
    outcome.check_readers(airflow_env)
    assert airflow_env.ledger.committed_report(DAG, RUN_ID, "validate") is not None
    return error_of(airflow_env)


def error_of(airflow_env: AirflowEnv) -> str:
    reports = [key for key in airflow_env.objects() if "/manual-later" in key and key.endswith("/report.json")]
    read = [Report.model_validate_json(files.read_bytes(f"{airflow_env.store}/{key}")) for key in reports]
    [error] = [report.error for report in read if report.error is not None]
    assert error.exit_code == 10
    return f"{error.what} {error.where} {error.rule} {error.remedy}"


DAMAGED: dict[str, tuple[str, str, Callable[[list[str]], bytes]]] = {
    "truncated-gzip": ("csv", ".csv.gz", lambda lines: gzip.compress(text(lines))[:-20]),
    "plain-text-called-gzip": ("csv", ".csv.gz", text),
    "binary": ("csv", ".csv", lambda lines: bytes(range(256)) * 40),
    "truncated-in-a-row": ("csv", ".csv", lambda lines: text(lines)[:-15]),
    "truncated-parquet": ("parquet", ".parquet", lambda lines: parquet(lines)[:-9]),
    "parquet-with-a-damaged-page": (
        "parquet", ".parquet", lambda lines: (data := parquet(lines))[:40] + b"\xff" * 200 + data[240:],
    ),
    "wrong-magic": ("parquet", ".parquet", text),
    "empty": ("csv", ".csv", lambda lines: b""),
}  # fmt: skip


@pytest.mark.parametrize("case", DAMAGED)
def test_f09_a_damaged_file_is_refused_once_by_name_and_the_last_good_version_stays(
    airflow_env: AirflowEnv, case: str
) -> None:
    ending, name, damage = DAMAGED[case]
    good_first(airflow_env, ending)
    said = refused(airflow_env, damage(machine_rows(DAYS[0], 151)), f"{DAYS[0]}{name}", ending)
    assert f"{DAYS[0]}{name}" in said


def changed(lines: list[str], change: Callable[[list[str]], list[str]]) -> bytes:
    return text([",".join(change(line.split(","))) for line in lines])


BREAKING: dict[str, tuple[Callable[[list[str]], list[str]], str]] = {
    "missing": (lambda row: row[:2] + row[3:], "['vibration'] missing"),
    "renamed": (lambda row: ["heat" if value == "temperature" else value for value in row], "['temperature'] missing"),
    "another-type": (lambda row: [row[0], row[1] if row[1] == "temperature" else "warm", *row[2:]], "temperature"),
}


@pytest.mark.parametrize("case", BREAKING)
def test_f10_breaking_drift_is_refused_with_the_difference_by_column(airflow_env: AirflowEnv, case: str) -> None:
    good_first(airflow_env, "csv")
    change, said = BREAKING[case]
    assert said in refused(airflow_env, changed(machine_rows(DAYS[0], 151), change), f"{DAYS[0]}.csv")


def test_f10_an_added_column_is_refused_until_the_workload_declares_it(airflow_env: AirflowEnv) -> None:
    good_first(airflow_env, "csv")
    content = changed(machine_rows(DAYS[0], 151), lambda row: [*row, "noise" if row[0] == "id" else "1.5"])
    said = refused(airflow_env, content, f"{DAYS[0]}.csv")
    assert "['noise'] not declared" in said
    assert "declare its columns in the workload" in said


def test_f10_columns_in_another_order_are_the_same_data(airflow_env: AirflowEnv) -> None:
    airflow_env.deliver(DAYS[0], changed(machine_rows(DAYS[0]), lambda row: row[::-1]).decode().splitlines())
    airflow_env.expect("ingest")
    airflow_env.expect("validate")
    reordered = outcome.table(airflow_env)
    airflow_env.deliver(DAYS[0])
    for task in ("ingest", "validate"):
        airflow_env.expect(task, 2, **LATER)
    again = outcome.table(airflow_env)
    assert reordered is not None
    assert again is not None
    strip = {day: rows for day, rows in reordered["partitions"].items()}
    assert strip.keys() == again["partitions"].keys()
    assert [rows[0] for rows in strip.values()] == [rows[0] for rows in again["partitions"].values()]


def row_of(lines: list[str], number: int, column: int, value: str) -> bytes:
    cells = lines[number].split(",")
    cells[column] = value
    return text([*lines[:number], ",".join(cells), *lines[number + 1 :]])


BAD_ROWS: dict[str, tuple[Callable[[list[str]], bytes], str]] = {
    "undeclared-label": (lambda lines: row_of(lines, 7, 4, SECRET), "state"),
    "missing-label": (lambda lines: row_of(lines, 7, 4, ""), "state"),
    "nan": (lambda lines: row_of(lines, 7, 1, "NaN"), "temperature"),
    "infinite": (lambda lines: row_of(lines, 7, 2, "inf"), "vibration"),
    "out-of-range": (lambda lines: row_of(lines, 7, 3, "17.4711"), "load"),
    "all-null": (lambda lines: changed(lines, lambda row: row if row[0] == "id" else [*row[:3], "", row[4]]), "load"),
    "no-rows": (lambda lines: text(lines[:1]), "no row"),
    "one-row-over-and-over": (lambda lines: text([lines[0], *[lines[1]] * 40]), "duplicates"),
    "too-few": (lambda lines: text(lines[:6]), "rows"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_ROWS)
def test_f11_bad_rows_and_labels_end_the_run_before_training_and_no_value_is_told(
    airflow_env: AirflowEnv, case: str
) -> None:
    spoil, said = BAD_ROWS[case]
    good_first(airflow_env, "csv")
    assert said in refused(airflow_env, spoil(machine_rows(DAYS[0], 151)), f"{DAYS[0]}.csv")
    assert SECRET not in airflow_env.log.read_text()
    assert "17.4711" not in airflow_env.log.read_text()


def test_f11_labels_without_a_row_end_the_run_before_training_and_its_days_stay_published(
    airflow_env: AirflowEnv,
) -> None:
    for day in DAYS:
        lines = machine_rows(day)
        airflow_env.deliver(day, [line.replace("worn", "well").replace("broken", "well") for line in lines])
    for task in ("ingest", "validate"):
        airflow_env.expect(task)
    assert airflow_env.run("size") == FAILED, airflow_env.said()
    assert "no training row yet has the labels worn, broken" in airflow_env.said()
    assert "optional_labels" in airflow_env.said()
    table = outcome.table(airflow_env)
    assert table
    assert set(table["partitions"]) == {f"{day}" for day in DAYS}
