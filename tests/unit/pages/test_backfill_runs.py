"""Which runs a backfill makes: as Airflow's own dry run says, on a real database of Airflow's."""

import subprocess
import sys
from pathlib import Path

import pytest

# in a process of its own: Airflow's database is chosen when Airflow is imported
ASK = """
import sys
from datetime import UTC, date, datetime, time
from pathlib import Path

from airflow.models.backfill import ReprocessBehavior, _do_dry_run
from airflow.models.dagrun import DagRun
from airflow.models.serialized_dag import SerializedDagModel
from airflow.utils.session import create_session
from airflow.utils.state import DagRunState
from airflow.utils.types import DagRunType, DagRunTriggeredByType

from millrace.orchestration import schedules
from millrace.pages import backfills

FIRST, LAST = date(2025, 12, 20), date(2026, 4, 2)
with create_session() as session:
    for dag_id in ("daily", "weekly", "mornings", "hourly", "berlin", "daily_plain"):
        dag = SerializedDagModel.get_dag(dag_id, session=session)
        begin, end = (datetime.combine(day, time(), UTC) for day in (FIRST, LAST))
        infos = list(dag.iter_dagrun_infos_between(begin, end))
        for number, state in ((3, "success"), (5, "failed"), (6, "running"), (len(infos) - 1, "success")):
            info = infos[number]
            session.add(DagRun(
                dag_id=dag_id, run_id=f"r{number}", logical_date=info.logical_date, data_interval=info.data_interval,
                run_after=info.run_after, state=DagRunState(state), run_type=DagRunType.SCHEDULED,
                triggered_by=DagRunTriggeredByType.TEST,
            ))
        session.flush()
        for reprocess in ("none", "failed", "completed"):
            asked = {"dag_id": dag_id, "from_date": begin, "to_date": end, "reverse": False, "session": session}
            asked["reprocess_behavior"] = ReprocessBehavior(reprocess)
            theirs = [each.data_interval for each in _do_dry_run(**asked)]
            place = schedules.zone(dag.timetable)
            wanted = [schedules.days_of(each.start, each.end, place) for each in sorted(set(theirs))]
            backfills._MOST_RUNS_OF_OTHERS = 10_000
            assert backfills._windows(session, dag_id, FIRST, LAST, reprocess) == wanted, (dag_id, reprocess)
            print("runs", dag_id, reprocess, len(wanted), backfills._cron(dag.timetable))
    session.rollback()
"""
DAGS = """
from airflow.sdk import DAG, CronDataIntervalTimetable, CronTriggerTimetable
from airflow.providers.standard.operators.empty import EmptyOperator

for dag_id, schedule in {
    "daily": CronDataIntervalTimetable("0 0 * * *", "UTC"),
    "weekly": CronDataIntervalTimetable("0 6 * * 1", "UTC"),
    "mornings": CronDataIntervalTimetable("0 6 * * 1-5", "UTC"),
    "hourly": CronDataIntervalTimetable("0 * * * *", "UTC"),
    "berlin": CronDataIntervalTimetable("0 0 * * *", "Europe/Berlin"),
    "daily_plain": CronTriggerTimetable("0 0 * * *", "UTC"),
}.items():
    with DAG(dag_id, schedule=schedule):
        EmptyOperator(task_id="nothing")
"""


@pytest.mark.timeout(300)
def test_runs_are_those_of_airflows_own_dry_run(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "dags").mkdir()
    (tmp_path / "dags" / "schedules.py").write_text(DAGS)
    for name, value in {
        "AIRFLOW_HOME": f"{tmp_path}",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{tmp_path / 'airflow.db'}",
        "AIRFLOW__CORE__DAGS_FOLDER": f"{tmp_path / 'dags'}",
        "AIRFLOW__CORE__PLUGINS_FOLDER": f"{tmp_path}",
        "PYTHONPATH": f"{repository / 'plugins'}",
    }.items():
        monkeypatch.setenv(name, value)
    airflow = str(Path(sys.executable).with_name("airflow"))
    for command in ([airflow, "db", "migrate"], [airflow, "dags", "reserialize"], [sys.executable, "-c", ASK]):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    said = [line.split(maxsplit=4)[1:] for line in done.stdout.splitlines() if line.startswith("runs ")]
    assert {dag_id: cron for dag_id, _, _, cron in said} == {
        "daily": "0 0 * * *", "weekly": "0 6 * * 1", "mornings": "0 6 * * 1-5", "hourly": "0 * * * *",
        "berlin": "None", "daily_plain": "None",
    }  # fmt: skip
    assert {int(count) for dag_id, _, count, _ in said if dag_id == "daily"} == {100, 101, 103}
