"""A version's figures from its servers' pages, and what they decide."""

from dataclasses import replace
from typing import Any

import pytest

from millrace.contracts.workload import ServingPolicy
from millrace.scoring.canary import judge
from millrace.serving.figures import Figures

POLICY = ServingPolicy()


def page(version: str, ok: int, errors: int, within: dict[str, int]) -> str:
    lines = [
        "# TYPE millrace_requests counter",
        f'millrace_requests_total{{workload="w",version="{version}",outcome="ok"}} {ok}',
        f'millrace_requests_total{{workload="w",version="{version}",outcome="error"}} {errors}',
        "# TYPE millrace_request_seconds histogram",
    ]
    lines += [
        f'millrace_request_seconds_bucket{{workload="w",version="{version}",le="{bound}"}} {count}'
        for bound, count in within.items()
    ]
    return "\n".join(lines) + "\n"


def test_pages_of_all_servers_add_up_and_other_versions_are_left_out() -> None:
    pages = [page("b", 40, 1, {"0.1": 39, "+Inf": 40}), page("b", 60, 0, {"0.1": 60, "+Inf": 60}), page("a", 9, 9, {})]
    figures = Figures.read(pages, "b")
    assert (figures.requests, figures.errors) == (101, 1)
    assert figures.p99_seconds == 0.1


def test_what_was_before_does_not_count_and_a_new_server_begins_at_nothing() -> None:
    before = Figures.read([page("b", 40, 10, {"1.0": 40, "+Inf": 40})], "b")
    after = Figures.read([page("b", 90, 10, {"1.0": 40, "5.0": 90, "+Inf": 90})], "b")
    assert after.since(before).errors == 0
    assert after.since(before).requests == 50
    assert after.since(before).p99_seconds == 5.0
    assert Figures().since(before).requests == 0
    assert Figures().p99_seconds is None


def figures(requests: int, errors: int = 0, p99: str = "0.05", joules: float | None = None, guess: bool = False) -> Any:
    answered = requests - errors
    read = Figures.read([page("v", answered, errors, {"0.01": 0, p99: answered, "+Inf": answered})], "v")
    return replace(read, joules_per_request=joules, joules_are_estimated=guess)


@pytest.mark.parametrize(
    ("canary", "stable", "outcome", "said"),
    [
        (figures(100), figures(100), "pass", "0 of 100"),
        (figures(100, errors=3), figures(100), "fail", "3 of 100 requests erred"),
        (figures(5, errors=4), figures(100), "fail", "4 of 5"),
        (figures(100, errors=1), figures(100), "pass", "1 of 100"),
        (figures(19), figures(100), "inconclusive", "fewer than 20"),
        (figures(100), figures(3), "inconclusive", "stable version had 3"),
        (figures(100, p99="0.5"), figures(100, p99="0.1"), "fail", "at most 300 ms"),
        (figures(100, p99="0.25"), figures(100, p99="0.1"), "pass", "p99 latency 250 ms"),
        # a stable p99 below 20 ms counts as 20 ms
        (figures(100, p99="0.05"), figures(100, p99="0.015"), "pass", "at most 60 ms"),
        (figures(100), figures(100), "pass", "not measured, and so not judged"),
        (figures(100, joules=1.3), figures(100, joules=1.0), "fail", "1.3 J per request"),
        (figures(100, joules=1.2), figures(100, joules=1.0), "pass", "at most 25% more"),
        (figures(100, joules=1.3), figures(100), "pass", "not measured, and so not judged"),
        (figures(100, joules=1.3, guess=True), figures(100, joules=1.0), "pass", "estimated, and so not judged"),
        (figures(5, joules=1.3), figures(100, joules=1.0), "inconclusive", "fewer than 20"),
    ],
)
def test_a_step_passes_fails_or_is_inconclusive(canary: Figures, stable: Figures, outcome: str, said: str) -> None:
    verdict = judge(POLICY, canary, stable)
    assert verdict.outcome == outcome
    assert any(said in reason for reason in verdict.reasons), verdict.reasons
