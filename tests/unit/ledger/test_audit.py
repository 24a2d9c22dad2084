"""The audit: each decision and refusal once, in one chain; whatever is done to its rows behind its back is found."""

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
import sqlalchemy as sa

from millrace.contracts.errors import RefusedError
from millrace.contracts.retention import Found
from millrace.ledger import audit
from millrace.ledger.ledger import Ledger
from millrace.ledger.records import Actor, Budget, BudgetClaim, Decision, RunKey, Spending

ADA = Actor("Ada")
DAY = date(2024, 3, 1)


def run(run_id: str, repeat: int = 0) -> Actor:
    return Actor.of(RunKey("dag", run_id, repeat))


def told(ledger: Ledger) -> list[tuple[str, str, str, str]]:
    """What, how it ended, of what and by whom; the oldest first."""
    return [(row["action"], row["outcome"], row["subject"], row["actor"]) for row in reversed(ledger.audit())]


@pytest.fixture
def five(ledger: Ledger) -> Ledger:
    for number in range(1, 6):
        ledger.record_decision(Decision("sweep", f"store {number}", ADA, "the policy", "2 files"))
    return ledger


@pytest.fixture
def behind_its_back(url: str) -> Callable[..., None]:
    """Runs statements as the owner of the tables would who takes what guards them away."""

    def behind_its_back(*statements: str) -> None:
        parsed = sa.make_url(url)
        sqlite = parsed.get_backend_name() == "sqlite"
        engine = sa.create_engine(url if sqlite else parsed.set(drivername="postgresql+psycopg"))
        with engine.begin() as connection:
            if sqlite:
                guards = connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'trigger'").scalars()
                for name in guards.all():
                    connection.exec_driver_sql(f"DROP TRIGGER {name}")
            else:
                for table in ("audit", "audit_head"):
                    connection.exec_driver_sql(f"ALTER TABLE {table} DISABLE TRIGGER USER")
            for statement in statements:
                connection.exec_driver_sql(statement)
        engine.dispose()

    return behind_its_back


def test_each_row_carries_the_digest_of_the_one_before(five: Ledger) -> None:
    rows = list(reversed(five.audit()))
    assert [row["sequence"] for row in rows] == [1, 2, 3, 4, 5]
    assert [row["previous"] for row in rows] == [audit.NO_DIGEST, *[row["digest"] for row in rows[:-1]]]
    chain = five.check_audit()
    assert (chain.row_count, chain.digest, chain.broken_at) == (5, rows[-1]["digest"], None)


def test_an_empty_audit_is_whole(ledger: Ledger) -> None:
    assert (ledger.check_audit().row_count, ledger.check_audit().broken_at) == (0, None)


@pytest.mark.parametrize("column", audit._FIELDS)
def test_an_edit_of_any_field_is_found(five: Ledger, behind_its_back: Callable[..., None], column: str) -> None:
    number = column in ("sequence", "by_person", "repeat")
    value = {"by_person": "0", "outcome": "'refused'"}.get(column, "7" if number else "'changed'")
    behind_its_back(f"UPDATE audit SET {column} = {value} WHERE sequence = 3")
    assert five.check_audit().broken_at == 3


@pytest.mark.parametrize(
    ("statements", "row"),
    [
        (["DELETE FROM audit WHERE sequence = 1"], 1),
        (["DELETE FROM audit WHERE sequence = 3"], 3),
        (["DELETE FROM audit WHERE sequence = 3", "UPDATE audit SET sequence = sequence - 1 WHERE sequence > 3"], 3),
        (
            [
                "UPDATE audit SET sequence = 9 WHERE sequence = 2",
                "UPDATE audit SET sequence = 2 WHERE sequence = 3",
                "UPDATE audit SET sequence = 3 WHERE sequence = 9",
            ],
            2,
        ),
        (["DELETE FROM audit WHERE sequence > 3"], 4),
        (["DELETE FROM audit"], 1),
        (["DELETE FROM audit_head"], 6),
        (["UPDATE audit_head SET row_count = 4"], 6),
    ],
    ids=["first", "middle", "closed up", "reordered", "cut off", "all", "head", "moved head"],
)
def test_rows_that_were_removed_or_moved_are_found(
    five: Ledger, behind_its_back: Callable[..., None], statements: list[str], row: int
) -> None:
    behind_its_back(*statements)
    assert five.check_audit().broken_at == row


def test_a_chain_that_was_made_anew_lacks_the_digest_that_was_kept_elsewhere(
    five: Ledger, behind_its_back: Callable[..., None]
) -> None:
    kept = five.check_audit().digest
    last = next(row for row in five.audit() if row["sequence"] == 4)
    behind_its_back(
        "DELETE FROM audit WHERE sequence = 5",
        f"UPDATE audit_head SET row_count = 4, digest = '{last['digest']}'",
    )
    assert five.check_audit().broken_at is None, "the head was moved with it"
    assert five.check_audit(last["digest"]).broken_at is None
    assert five.check_audit(kept).broken_at == 5


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET reason = 'changed' WHERE sequence = 2",
        "DELETE FROM audit WHERE sequence = 5",
        "UPDATE audit_head SET row_count = 4",
        "DELETE FROM audit_head",
        "INSERT INTO audit SELECT 9, recorded_at, decided_at, action, outcome, subject, actor, by_person, dag_id, "
        "run_id, repeat, reason, effect, once, previous, 'x' FROM audit WHERE sequence = 5",
    ],
)
def test_the_database_itself_takes_insertions_at_the_end_alone(five: Ledger, statement: str) -> None:
    with pytest.raises(RefusedError, match="audit:"), five._database.write() as transaction:
        transaction.script(statement)
    assert five.check_audit().broken_at is None


def write_often(url: str, writer: int) -> None:
    ledger = Ledger(url)
    for turn in range(10):
        ledger.record_decision(Decision("sweep", f"{writer} {turn}", Actor(f"Ada {writer}"), "the policy"))
        ledger.record_decision(Decision("sweep", f"shared {turn}", ADA, "the policy", once=f"shared {turn}"))


def test_writers_at_once_make_one_chain(ledger: Ledger, url: str, at_once: Callable[..., list[Any]]) -> None:
    at_once(write_often, [(url, writer) for writer in range(4)])
    chain = ledger.check_audit()
    assert (chain.row_count, chain.broken_at) == (4 * 10 + 10, None)
    subjects = [row["subject"] for row in ledger.audit(limit=1000)]
    assert len(set(subjects)) == len(subjects), "a decision is there twice"


def test_what_is_unfit_for_a_log_is_escaped_and_cut(ledger: Ledger) -> None:
    ledger.record_decision(Decision("sweep", "a\0b\x1b[31m", Actor("\udc80"), "x" * 5000))
    (row,) = ledger.audit()
    assert (row["subject"], row["actor"]) == ("a\\x00b\\x1b[31m", "\\udc80")
    assert len(row["reason"]) < 2100
    assert ledger.check_audit().broken_at is None


def test_changes_of_models_are_kept_once_with_who_and_why(ledger: Ledger, train_model: Callable[..., None]) -> None:
    for version in ("v1", "v2", "v3"):
        train_model(version)
    before = len(ledger.audit())
    for change in (
        lambda: ledger.promote("news", "v1", by=run("run-v1")),
        lambda: ledger.promote("news", "v2", by=run("run-v2")),
        lambda: ledger.reject("news", "v3", "below the floor", by=run("run-v3")),
        lambda: ledger.revert("news", "v2", "it answers nonsense", by=ADA),
        lambda: ledger.readmit("news", "v2", "it was the client", by=ADA),
    ):
        for _ in range(2):  # a task that is tried again, a form that is sent again
            change()
    assert told(ledger)[before:] == [
        ("promote", "done", "v1", "dag / run-v1"),
        ("promote", "done", "v2", "dag / run-v2"),
        ("reject", "done", "v3", "dag / run-v3"),
        ("roll_back", "done", "v2", "Ada"),
        ("readmit", "done", "v2", "Ada"),
    ]
    readmitted, rolled_back, _, promoted, *_ = ledger.audit()
    assert (promoted["dag_id"], promoted["effect"]) == ("news", "v2 is live, in place of v1")
    assert rolled_back["effect"] == "it was live; v1 is live"
    assert (readmitted["reason"], readmitted["by_person"]) == ("it was the client", 1)


def test_a_refusal_is_kept_although_its_transaction_is_not(ledger: Ledger, train_model: Callable[..., None]) -> None:
    train_model("old", date(2024, 3, 1))
    train_model("new", date(2024, 3, 2))
    ledger.promote("news", "new", by=run("run-new"))
    before = len(ledger.audit())
    for _ in range(2):
        with pytest.raises(RefusedError, match="newer data"):
            ledger.promote("news", "old", by=run("run-old"))
    with pytest.raises(RefusedError):
        ledger.promote("news", "old", by=ADA, reason="I like it better")
    assert told(ledger)[before:] == [
        ("promote", "refused", "old", "dag / run-old"),
        ("promote", "refused", "old", "Ada"),
    ]
    row = ledger.audit()[0]
    assert row["reason"] == "I like it better"
    assert "version new is live and was trained on newer data" in row["effect"]
    assert "never goes live over one" in row["effect"]
    model = ledger.model("news", "old")
    assert model
    assert model.state == "candidate"


def test_a_decision_that_is_not_committed_leaves_no_row(ledger: Ledger, train_model: Callable[..., None]) -> None:
    train_model("v1")
    before = len(ledger.audit())

    def fail_half_way() -> None:
        with ledger._database.write() as transaction:
            audit.append(transaction, Decision("promote", "v1", ADA, "in the same transaction"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_half_way()
    assert len(ledger.audit()) == before
    assert ledger.check_audit().broken_at is None


def test_a_run_that_somebody_triggered_is_told_once(ledger: Ledger, open_run: Callable[..., int]) -> None:
    for _ in range(2):
        open_run("by-hand", triggered_by="Ada")
    open_run("by-schedule", run_type="scheduled")
    open_run("by-another-dag")
    assert told(ledger) == [
        ("trigger", "done", "by-hand", "Ada"),
        ("trigger", "done", "by-another-dag", "Airflow"),
    ]
    assert ledger.triggered_by("dag", "by-hand") == "Ada"
    assert ledger.triggered_by("dag", "by-schedule") is None
    assert ledger.triggered_by("dag", "by-another-dag") is None
    ledger.close_run("dag", "by-hand", 0, state="failed", reason="x")
    open_run("by-hand", triggered_by="Ada")  # cleared: Airflow's log says by whom
    assert len(ledger.audit()) == 2


def test_budgets_and_answers(ledger: Ledger, open_run: Callable[..., int]) -> None:
    open_run("run", run_type="scheduled")
    ledger.record_budget(Budget("b", "dag", 10, "EUR", 5, 0.01, 0.1), ADA)
    yes = Decision("approve", "budget b", Actor("Bob"), "over budget", run=RunKey("dag", "run", 0), once="answer 1")
    for _ in range(2):
        ledger.approve_spending("dag", "run", 0, "backfill", "b", "by Bob", rest=True, decision=yes)
    claim = BudgetClaim("team", "core", Spending(2, 0, None), limits={"kwh": 1}, site="local", lets_past=True)
    for _ in range(2):
        ledger.reserve("dag", "run", 0, [claim])
    assert told(ledger) == [
        ("budget", "done", "b", "Ada"),
        ("approve", "done", "budget b", "Bob"),
        ("budget", "done", "team core", "dag / run"),
    ]


def test_a_sweep_that_removed_something(ledger: Ledger) -> None:
    found = [Found(kind="attempt", workload="news", uri="file:///a", items=3, size_bytes=1000)]
    ledger.record_sweep("file:///s", found, applied=False, by=ADA)
    ledger.record_sweep("file:///s", [], applied=True, by=ADA)
    ledger.record_sweep("file:///s", found, applied=True, by=run("daily"))
    (row,) = ledger.audit()
    assert (row["action"], row["actor"], row["dag_id"]) == ("sweep", "dag / daily", None)
    assert row["effect"] == "news: 3 files of kind attempt, 1,000 bytes"


def test_what_changed_in_settings_is_told_by_name(ledger: Ledger) -> None:
    ledger.note_settings({"workload news": {"gate.floor": "0.5", "retries": "3"}}, run("first"))
    ledger.note_settings({"workload news": {"gate.floor": "0.5", "retries": "3"}}, run("second"))
    ledger.note_settings({"workload news": {"gate.floor": "0.7", "team": "core"}}, run("third"))
    newest, first = ledger.audit()
    assert first["effect"].startswith("seen for the first time, with digest ")
    assert newest["effect"] == "gate.floor: 0.5 is now 0.7; retries: 3 is now not set; team: not set is now core"
    assert (newest["actor"], newest["dag_id"]) == ("dag / third", "dag")
    ledger.note_settings({"site": {"cap": "1"}}, run("third"), site_wide={"site"})
    assert ledger.audit()[0]["dag_id"] is None


def test_a_page_shows_what_is_wrong_with_its_own_rows(five: Ledger, behind_its_back: Callable[..., None]) -> None:
    five.record_decision(Decision("promote", "v1", ADA, "x", dag_id="news"))
    assert [row["sequence"] for row in five.audit_page(["news"], site_wide=False)[0]] == [6]
    assert five.audit_page([], site_wide=False)[0] == []
    rows, count, _ = five.audit_page(["news"], site_wide=True, before=6, limit=2)
    assert ([row["sequence"] for row in rows], count) == ([5, 4], 6)
    behind_its_back("DELETE FROM audit WHERE sequence = 2", "UPDATE audit SET reason = 'y' WHERE sequence = 5")
    wrong = {row["sequence"]: row["wrong"] for row in five.audit_page([], site_wide=True)[0]}
    assert "edited" in wrong[5]
    assert "does not follow" in wrong[3]
    assert (wrong[1], wrong[4]) == ("", "")
