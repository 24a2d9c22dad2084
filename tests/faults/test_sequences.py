"""Whatever is done in whatever order, what answers is what the ledger calls live, and never what a person took back.

MILLRACE_TEST_SEQUENCES says how many sequences of twelve steps are tried (500 take ten minutes on two idle cores);
MILLRACE_TEST_SEED repeats the one that failed.
"""

import os
import random
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from matrix.warm import WARM, ForkServers, popen
from matrix.workplace import Workplace

from millrace.launchers import process
from millrace.orchestration.operators import rollout as rollout_operator
from millrace.serving import process_traffic
from millrace.settings import load_settings
from tests.images.serve.conftest import ModelStore

SEQUENCES = int(os.environ.get("MILLRACE_TEST_SEQUENCES", "20"))
SEED = int(os.environ.get("MILLRACE_TEST_SEED", "1"))
STEPS = 12
KILLS = ("roll_out", "watch")


@pytest.fixture
def workplace(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, load_module: Callable[[Path], Any]
) -> Iterator[Callable[[int], Workplace]]:
    """A workplace for each seed; all of them have one warm server's environment."""
    (tmp_path / "z").mkdir()
    warm = ForkServers(repository, tmp_path / "z", ("serve",))
    monkeypatch.setenv(WARM, str(tmp_path / "z"))
    monkeypatch.setenv("MILLRACE_SERVING_PORT", "21400")
    monkeypatch.setenv("MILLRACE_STOP_GRACE_SECONDS", "10")
    warmly = SimpleNamespace(**{**vars(subprocess), "Popen": popen})
    monkeypatch.setattr(process, "subprocess", warmly)
    monkeypatch.setattr("millrace.orchestration.operators.workload.reach_stores", lambda _: None)
    monkeypatch.setattr(rollout_operator, "SLACK_SECONDS", 0.0)
    monkeypatch.setattr(process_traffic, "MIN_REQUESTS", 2)
    units = load_module(repository / "tests" / "unit" / "conftest.py")
    made: list[Workplace] = []

    def make(seed: int) -> Workplace:
        home = tmp_path / f"home-{seed}"
        (home / "made").mkdir(parents=True)
        monkeypatch.setenv("MILLRACE_HOME", str(home))
        load_settings.cache_clear()
        load_settings().ledger().migrate()
        base = units.workload.__wrapped__()
        made.append(Workplace(home, base, ModelStore(home / "made"), random.Random(seed)))
        return made[-1]

    yield make
    for each in made:
        each.kill_server()
    warm.close()
    load_settings.cache_clear()


def step(place: Workplace) -> str:
    """Do one thing, of those that can be done now; what it was."""
    chance, runs = place.chance, place.runs
    current = [run_id for run_id in runs if run_id not in place.closed]
    run_id = chance.choice(current) if current and chance.random() < 0.9 else chance.choice([*runs] or [""])
    versions = [*runs.values()]
    things: dict[str, int] = {"train": 3 if len(current) < 3 else 0}
    if runs:
        things |= {"again": 1, "gate": 2, "roll_out": 4, "watch": 4, "finish": 4, "killed": 2, "kill_server": 1}
        things |= {"roll_back": 3, "promote": 1, "readmit": 1, "sweep": 1}
    thing = chance.choices([*things], [*things.values()])[0]
    match thing:
        case "train":
            return f"train: {place.train()}"
        case "again":
            return f"train again: {place.train(chance.choice(versions))}"
        case "gate" | "roll_out" | "watch" | "finish":
            getattr(place, thing)(run_id)
            return f"{thing} {run_id} ({runs[run_id]})"
        case "killed":
            kind, at = chance.choice(KILLS), chance.randint(1, 24)
            place.killed(run_id, kind, at)
            return f"{kind} {run_id} ({runs[run_id]}), killed at {at}"
        case "sweep" | "kill_server":
            getattr(place, thing)()
            return thing
    version = chance.choice(versions)
    getattr(place, thing)(version)
    return f"{thing} {version}"


def test_what_answers_is_what_the_ledger_calls_live(workplace: Callable[[int], Workplace]) -> None:
    for seed in range(SEED, SEED + SEQUENCES):
        place = workplace(seed)
        done: list[str] = []
        try:
            for _ in range(STEPS):
                done.append(step(place))
                done += place.said
                place.said.clear()
                place.check()
            for run_id in [*place.rolling]:
                place.finish(run_id)
                done.append(f"finish {run_id}")
            place.check()
        except Exception as error:
            raise AssertionError(f"MILLRACE_TEST_SEED={seed}:\n" + "\n".join([*done, *place.said])) from error
        place.kill_server()
