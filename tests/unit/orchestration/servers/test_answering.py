"""What answers is compared with what the ledger calls live: strays and silence are told, a rollout is neither."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from millrace.contracts.errors import TransientError
from millrace.orchestration.servers import answering


class Ledger:
    """States of versions, and whether a run is open."""

    def __init__(self, open_run: bool = False, **states: str) -> None:
        self._states, self._open = states, open_run

    def live_model(self, workload: str) -> object:
        found = [version for version, state in self._states.items() if state == "live"]
        return SimpleNamespace(model=SimpleNamespace(version=found[0])) if found else None

    def model(self, workload: str, version: str) -> object:
        return SimpleNamespace(state=self._states[version]) if version in self._states else None

    def open_runs(self, workload: str) -> list[object]:
        return [object()] if self._open else []


STATES: dict[str, Any] = {"v1": "live", "v2": "candidate", "v3": "rolled_back", "v4": "rejected", "v5": "retired"}


@pytest.mark.parametrize(
    ("answers", "open_run", "reason"),
    [
        (["v1"], False, None),
        (["v1", "v2"], True, None),
        (["v1", "v2"], False, "version v2 answers, which is candidate"),
        (["v1", "v3"], True, "version v3 answers, which is rolled_back"),
        (["v1", "v4"], True, "version v4 answers, which is rejected"),
        (["v5"], False, "version v5 answers, which is retired; version v1 is live and does not answer"),
        (["v1", "v9"], True, "version v9 answers, which is unknown to the ledger"),
        ([], False, "version v1 is live and does not answer"),
    ],
)
def test_what_answers_beside_what_is_live(answers: Sequence[str], open_run: bool, reason: str | None) -> None:
    found = answering.compare(Ledger(open_run, **STATES), "flowers", answers)  # type: ignore[arg-type]
    assert (found.reason if found else None) == reason


def test_where_nothing_is_live_nothing_is_to_answer() -> None:
    assert answering.compare(Ledger(v2="candidate"), "flowers", []) is None  # type: ignore[arg-type]
    assert answering.compare(Ledger(v2="candidate"), "flowers", ["v2"]) is not None  # type: ignore[arg-type]


def test_what_cannot_be_asked_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> list[str]:
        raise TransientError("the store is away", where="s3://b", rule="", remedy="")

    settings = SimpleNamespace(ledger=lambda: Ledger(**STATES), launcher="process")
    servers = SimpleNamespace(answering=away)
    monkeypatch.setattr(answering, "servers_of", lambda _: servers)
    assert answering.is_divergent(settings, "flowers") is None  # type: ignore[arg-type]
    servers.answering = lambda *_: None
    assert answering.is_divergent(settings, "flowers") is None  # type: ignore[arg-type]
    servers.answering = lambda *_: ["v3"]
    assert answering.is_divergent(settings, "flowers") is True  # type: ignore[arg-type]
    servers.answering = lambda *_: ["v1"]
    assert answering.is_divergent(settings, "flowers") is False  # type: ignore[arg-type]
