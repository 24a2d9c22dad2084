"""How a run ended: by states and codes, whatever the texts say."""

import pytest

from millrace.contracts.reasons import Reason, ReasonCode
from millrace.runs.outcome import by_task, run_outcome

DONE = dict.fromkeys(["ingest", "validate", "size", "train", "export", "evaluate", "gate"], "success")
SKIPPED = {"ingest": "skipped"}
UNTRAINED = {**DONE, "train": "skipped"}
HELD = {**DONE, "roll_out": "skipped"}
BACK = {**DONE, "roll_out": "failed", "watch": "upstream_failed"}
Case = tuple[dict[str, str], dict[str, tuple[str, str]], str, str, str]
# states, reasons as code and text, then the state, the code and what the text tells
CASES: list[Case] = [
    ({**DONE, "approve": "skipped", "roll_out": "success", "watch": "success"}, {}, "success", "done", "live"),
    (SKIPPED, {"ingest": ("no_new_data", "no new data: 2026-01-03")}, "skipped", "no_new_data", "2026-01-03"),
    (SKIPPED, {}, "skipped", "marked", "ingest was skipped"),
    ({"validate": "failed"}, {"validate": ("bad_input", "a label")}, "failed", "bad_input", "validate: a label"),
    ({"validate": "failed"}, {"validate": ("done", "done")}, "failed", "unexplained", "before Millrace could say why"),
    (UNTRAINED, {"train": ("dry_run", "dry run: the plan")}, "dry_run", "dry_run", "dry run: the plan"),
    (SKIPPED, {"ingest": ("over_budget", "budget of 1 EUR")}, "rejected", "over_budget", "budget of 1 EUR"),
    (UNTRAINED, {"train": ("over_budget", "budget of 1 EUR")}, "rejected", "over_budget", "budget of 1 EUR"),
    (UNTRAINED, {"train": ("over_team_budget", "no money")}, "rejected", "over_team_budget", "no money"),
    (UNTRAINED, {"train": ("not_newest", "the newest run trains")}, "success", "not_newest", "the newest run trains"),
    (UNTRAINED, {"train": ("training_off", "asked not to")}, "success", "training_off", "asked not to"),
    ({**HELD, "approve": "skipped"}, {"gate": ("gate_rejected", "too slow")}, "rejected", "gate_rejected", "too slow"),
    ({**HELD, "approve": "success"}, {}, "rejected", "approval_rejected", "24 h"),
    ({**HELD, "approve": "success"}, {"approve": ("approval_expired", "-")}, "rejected", "approval_expired", "24 h"),
    (HELD, {"roll_out": ("superseded", "newer data is live")}, "superseded", "superseded", "newer data is live"),
    ({**HELD, "approve": "skipped"}, {"gate": ("done", "done")}, "rejected", "marked", "a person skipped it"),
    ({**HELD, "approve": "skipped"}, {"roll_out": ("transient", "away")}, "rejected", "marked", "a person skipped it"),
    (
        {**DONE, "roll_out": "success", "watch": "failed"}, {"watch": ("rollout_reverted", "p99 rose")},
        "rolled_back", "rollout_reverted", "p99 rose",
    ),
    (BACK, {"roll_out": ("refused", "it errs")}, "rolled_back", "refused", "it errs"),
    (BACK, {}, "rolled_back", "rollout_reverted", "the old version answers"),
    ({"ingest": "success"}, {}, "failed", "unexplained", "without an outcome"),
]  # fmt: skip
TEXTS = (
    "",
    "x",
    "done",
    "dry run: the plan",
    "the backfill's budget",
    "the team's budget",
    "superseded: newer",
    "no new data",
)


def reasons(given: dict[str, tuple[str, str]], text: str | None = None) -> dict[str, Reason]:
    return {task: Reason(said if text is None else text, ReasonCode(code)) for task, (code, said) in given.items()}


@pytest.mark.parametrize(("states", "given", "state", "code", "said"), CASES)
def test_every_run_ends_in_a_state_with_a_code_and_a_reason(
    states: dict[str, str], given: dict[str, tuple[str, str]], state: str, code: str, said: str
) -> None:
    end = run_outcome(states, reasons(given))
    assert (end.state, end.code) == (state, code)
    assert said in end.reason


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize(("states", "given", "state", "code", "said"), CASES)
def test_reworded_a_reason_changes_no_outcome(
    states: dict[str, str], given: dict[str, tuple[str, str]], state: str, code: str, said: str, text: str
) -> None:
    end = run_outcome(states, reasons(given, text))
    assert (end.state, end.code) == (state, code), f"{text!r} decided"


@pytest.mark.parametrize("text", TEXTS)
def test_a_report_of_before_there_were_codes_decides_by_its_outcome_alone(text: str) -> None:
    assert run_outcome(SKIPPED, {"ingest": Reason(text)}).state == "skipped"
    assert run_outcome(UNTRAINED, {"train": Reason(text)}).state == "success"


@pytest.mark.parametrize(
    ("parts", "state"),
    [
        (["success", "skipped"], "success"),
        (["skipped", "skipped"], "skipped"),
        (["success", "failed", "upstream_failed"], "failed"),
        (["success", "removed"], "success"),
        (["running", None], "running"),
    ],
)
def test_a_mapped_task_has_one_state(parts: list[str | None], state: str) -> None:
    states = {f"ingest_{index}": part for index, part in enumerate(parts)}
    assert by_task({"plan_ingest": "success", **states}) == {"plan_ingest": "success", "ingest": state}
