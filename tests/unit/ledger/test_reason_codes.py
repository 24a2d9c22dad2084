"""Codes beside reasons: kept as they are given, and known of rows from before there were any."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from millrace.contracts.reasons import Reason, ReasonCode
from millrace.contracts.report import Report
from millrace.contracts.run_spec import TryKey
from millrace.ledger.ledger import Ledger
from millrace.runs.outcome import run_outcome
from millrace.storage.packaged import SQL

RUN = (
    "INSERT INTO runs (dag_id, run_id, repeat, workload, team, site, partition_first, partition_last, run_type, state, "
    "reason, quality_metric, decision, started_at, finished_at, revision, generation) VALUES "
    "('dag', :run_id, 0, 'news', 't', 's', '2024-03-01', '2024-03-01', 'manual', :state, :reason, 'micro_f1', "
    ":decision, '2024', :ended, 0, 1)"
)
TRY = (
    "INSERT INTO tries (dag_id, run_id, repeat, task_id, map_index, try_number, process_uid, step, outcome, reason, "
    "committed_at) VALUES ('dag', 'old', 0, :task, -1, 1, 'a', :task, :outcome, :reason, '2024')"
)
NEWEST = "only the newest run trains, and newer data is there: this day's data is published"
TRIES = [
    ("plan_ingest", "ok", "done", ReasonCode.DONE),
    ("ingest", "skipped", "no new data: no file 2024-03-01.csv", ReasonCode.NO_NEW_DATA),
    ("validate", "skipped", "the team's budget, search, does not hold this run", ReasonCode.OVER_TEAM_BUDGET),
    ("await_start", "skipped", "the backfill's budget of 1 EUR does not hold", ReasonCode.OVER_BUDGET),
    ("train", "skipped", "dry run: the plan is in the ledger, nothing is trained", ReasonCode.DRY_RUN),
    ("export", "skipped", f"of a backfill {NEWEST}", ReasonCode.NOT_NEWEST),
    ("evaluate", "failed", "dry run: says a step that failed", None),
    ("gate", "skipped", "asked not to train: the data is published", ReasonCode.TRAINING_OFF),
    ("roll_out", "skipped", "superseded: version v2, live, was trained on newer data", ReasonCode.SUPERSEDED),
    ("watch", "lost", "done", None),
]
RUNS = [
    ("success", "the new version is live", None, "done"),
    ("success", NEWEST, None, "not_newest"),
    ("dry_run", "dry run: the plan", None, "dry_run"),
    ("superseded", "superseded: newer", None, "superseded"),
    ("rejected", "too slow", "fail", "gate_rejected"),
    ("rejected", "the backfill's budget of 1", None, "over_budget"),
    ("skipped", "no new data: none", None, "no_new_data"),
    ("failed", "no new data: is not what a failure means", None, None),
]


@pytest.fixture
def migrated(url: str, tmp_path: Path) -> Ledger:
    """A ledger of before, with an old run under way and others that ended, and brought to the newest schema."""
    older = tmp_path / "sql"
    shutil.copytree(SQL, older)
    for file in older.rglob("0017_*.sql"):
        file.unlink()
    Ledger(url, older).migrate()
    engine = sa.create_engine(url, poolclass=sa.pool.NullPool)
    with engine.begin() as connection:
        under_way = {"run_id": "old", "state": "running", "reason": None, "decision": None, "ended": None}
        connection.execute(sa.text(RUN), under_way)
        for task, outcome, reason, _ in TRIES:
            connection.execute(sa.text(TRY), {"task": task, "outcome": outcome, "reason": reason})
        for number, (state, reason, decision, _) in enumerate(RUNS):
            ended = {"run_id": f"r{number}", "state": state, "reason": reason, "decision": decision, "ended": "2025"}
            connection.execute(sa.text(RUN), ended)
    assert Ledger(url).migrate() == ["0017_reason_codes"]
    return Ledger(url)


def test_older_rows_have_the_code_of_their_known_text(migrated: Ledger) -> None:
    assert migrated.try_reasons("dag", "old", 0) == {task: Reason(reason, code) for task, _, reason, code in TRIES}
    found = {row["run_id"]: row["reason_code"] for row in migrated.run_summary()}
    assert found == {"old": None, **{f"r{number}": code for number, (*_, code) in enumerate(RUNS)}}


def test_a_run_that_was_under_way_ends_as_it_would_have(migrated: Ledger) -> None:
    reasons = migrated.try_reasons("dag", "old", 0)
    ends = {
        task: run_outcome({task: "skipped"}, reasons).state for task in ("ingest", "validate", "await_start", "train")
    }
    assert ends == {"ingest": "skipped", "validate": "rejected", "await_start": "rejected", "train": "dry_run"}
    assert run_outcome({"roll_out": "skipped"}, reasons).state == "superseded"


def test_a_code_is_kept_beside_its_text(
    ledger: Ledger, open_run: Callable[..., int], key: Callable[..., TryKey], report: Callable[..., Report]
) -> None:
    repeat = open_run()
    coded = report(outcome="failed", reason="away", exit_code=20).model_copy(update={"code": ReasonCode.TRANSIENT})
    ledger.commit_report(key("ingest"), coded, "a")
    ledger.commit_lost_try(key("train"), None, "b", "evicted", ReasonCode.DISRUPTED)
    assert {row["task_id"]: row["reason_code"] for row in ledger.tries("dag", "run", repeat)} == {
        "ingest": "transient",
        "train": "disrupted",
    }
    ledger.close_run("dag", "run", repeat, state="failed", reason="away", code=ReasonCode.TRANSIENT)
    ledger.close_run("dag", "run", repeat, state="failed", reason="again", code=ReasonCode.LOST)
    assert ledger.run_summary()[0]["reason_code"] == "transient", "a run keeps its first ending"
