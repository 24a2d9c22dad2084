"""How a run ended."""

import pytest

from millrace.runs.outcome import by_task, ending

DONE = dict.fromkeys(["ingest", "validate", "size", "train", "export", "evaluate", "gate"], "success")


@pytest.mark.parametrize(
    ("states", "reasons", "state", "said"),
    [
        ({**DONE, "approve": "skipped", "roll_out": "success", "watch": "success"}, {}, "success", "live"),
        ({"ingest": "skipped"}, {"ingest": "no new data: 2026-01-03"}, "skipped", "no new data: 2026-01-03"),
        ({"ingest": "success", "validate": "failed"}, {"validate": "a label"}, "failed", "validate: a label"),
        ({**DONE, "train": "skipped"}, {"train": "dry run: the plan"}, "dry_run", "dry run: the plan"),
        ({"ingest": "skipped"}, {"ingest": "the backfill's budget of 1 EUR"}, "rejected", "budget of 1 EUR"),
        ({**DONE, "train": "skipped"}, {"train": "the backfill's budget of 1 EUR"}, "rejected", "budget of 1 EUR"),
        ({**DONE, "train": "skipped"}, {"train": "the newest run trains"}, "success", "the newest run trains"),
        ({**DONE, "roll_out": "skipped", "approve": "skipped"}, {"gate": "too slow"}, "rejected", "too slow"),
        ({**DONE, "roll_out": "skipped", "approve": "success"}, {}, "rejected", "24 h"),
        ({**DONE, "roll_out": "skipped"}, {"roll_out": "newer data is live"}, "superseded", "newer data is live"),
        ({**DONE, "roll_out": "success", "watch": "failed"}, {"watch": "p99 rose"}, "rolled_back", "p99 rose"),
        ({**DONE, "roll_out": "failed", "watch": "upstream_failed"}, {"roll_out": "it errs"}, "rolled_back", "it errs"),
        ({**DONE, "roll_out": "failed", "watch": "upstream_failed"}, {}, "rolled_back", "the old version answers"),
        ({**DONE, "roll_out": "skipped", "approve": "skipped"}, {"gate": "done"}, "rejected", "a person skipped it"),
        ({"ingest": "success"}, {}, "failed", "without an outcome"),
    ],
)
def test_every_run_ends_in_a_state_with_a_reason(
    states: dict[str, str], reasons: dict[str, str], state: str, said: str
) -> None:
    end = ending(states, reasons)
    assert end.state == state
    assert said in end.reason


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
    assert by_task({"divide": "success", **states}) == {"divide": "success", "ingest": state}
