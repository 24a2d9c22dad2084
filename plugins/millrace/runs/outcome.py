"""How a run ended, from how its tasks did."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

EndState = Literal["success", "failed", "skipped", "dry_run", "rejected", "rolled_back", "superseded"]

DONE = "done"
OVER_BUDGET = "the backfill's budget"
OVER_TEAM_BUDGET = "the team's budget"
# a run whose training is skipped has published its data, which is what it was for
_SKIPPED: dict[str, EndState] = {
    "divide": "skipped", "ingest": "skipped", "validate": "skipped", "await_start": "success", "train": "success",
}  # fmt: skip
# unless the reason says more than that
_SAID: dict[str, EndState] = {"dry run": "dry_run", OVER_BUDGET: "rejected", OVER_TEAM_BUDGET: "rejected"}


@dataclass(frozen=True)
class Ending:
    """A terminal state and the reason for it, never empty."""

    state: EndState
    reason: str


_MAPPED = re.compile(r"_\d+\Z")
# of a mapped task's parts, whose state is the task's
_FIRST = ("failed", "upstream_failed", "success", "skipped")


def by_task(states: Mapping[str, str | None]) -> dict[str, str | None]:
    """One state a task, where Airflow names each part of a mapped one (``ingest_0``): failed if any part is.

    A part that an earlier division of the run had, and the last one has not, does not count.
    """
    parts: dict[str, list[str | None]] = {}
    for name, state in states.items():
        if state != "removed":
            parts.setdefault(_MAPPED.sub("", name), []).append(state)
    return {task: next((state for state in _FIRST if state in found), found[0]) for task, found in parts.items()}


def ending(states: Mapping[str, str | None], reasons: Mapping[str, str]) -> Ending:
    """``states`` are Airflow's, by task; ``reasons`` are the newest ones that tries left in the ledger, by task."""

    def reason(task: str, otherwise: str) -> str:
        said = reasons.get(task)
        return said if said and said != DONE else otherwise

    failed = [task for task, state in states.items() if state == "failed"]
    if "watch" in failed or "roll_out" in failed:
        task = "watch" if "watch" in failed else "roll_out"
        return Ending("rolled_back", reason(task, f"{task} failed; the old version answers"))
    if failed:
        said = reason(failed[0], "it ended before Millrace could say why; the task's log does")
        return Ending("failed", f"{failed[0]}: {said}")
    for task, state in _SKIPPED.items():
        if states.get(task) == "skipped":
            why = reason(task, f"{task} was skipped")
            return Ending(next((end for said, end in _SAID.items() if why.startswith(said)), state), why)
    if states.get("roll_out") == "skipped":
        if reasons.get("roll_out"):
            return Ending("superseded", reasons["roll_out"])
        if states.get("approve") == "success":
            return Ending("rejected", "a person, or nobody in 24 h, approved it: the old version stays")
        return Ending("rejected", reason("gate", "the candidate was not rolled out: a person skipped it"))
    if states.get("watch") == "success":
        return Ending("success", reason("watch", "the new version is live"))
    return unaccounted(states)


def unaccounted(states: Mapping[str, str | None]) -> Ending:
    """The end of a run whose tasks explain nothing."""
    return Ending("failed", f"the run ended without an outcome; its tasks are {dict(states)}")
