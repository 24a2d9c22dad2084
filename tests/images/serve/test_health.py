"""When a canary must go."""

import pytest

from millrace.contracts.workload import ServingPolicy
from millrace.scoring.canary import by_chance, quantile
from millrace_serve.health import Health, fault

POLICY = ServingPolicy(max_error_rate=0.1, max_slowdown=3.0)


def health(seconds: list[float | None]) -> Health:
    """A version that answered in these times; None is an error."""
    made = Health("v")
    for each in seconds:
        if each is None:
            made.erred()
        else:
            made.answered(each)
    return made


STABLE = health([0.1] * 50)


@pytest.mark.parametrize(
    ("canary", "says"),
    [
        ([], None),
        ([0.1] * 50, None),
        ([None, None], None),
        ([None, None, 0.1, None, None], None),
        ([None] * 3, "3 errors in a row"),
        ([0.1, None] * 9 + [0.1], None),  # 19 requests are too few for a rate
        ([0.1] * 18 + [None, 0.1, None], None),  # 2 of 21 are under a tenth
        ([0.1] * 17 + [None, 0.1, None, 0.1, None], "3 of 22 requests erred; at most 10.0% may"),
        ([0.3] * 50, None),
        ([0.31] * 19, None),
        ([0.31] * 20, "p99 latency 310 ms over 20 requests, the stable version's is 100 ms"),
        ([0.1] * 30 + [9.0] * 2, None),  # two slow ones are a hiccup
        ([0.1] * 30 + [0.4] * 3, "p99 latency 400 ms"),
        ([None] * 3 + [0.1] * 200, None),  # the window has moved on
    ],
)
def test_rules(canary: list[float | None], says: str | None) -> None:
    found = fault(health(canary), STABLE, POLICY)
    assert (found is None) == (says is None), found
    assert says is None or (found is not None and found.startswith(says))


def test_one_error_is_a_hiccup() -> None:
    strict = ServingPolicy(max_error_rate=0.02)
    assert fault(health([0.1] * 20 + [None, 0.1]), STABLE, strict) is None
    assert fault(health([0.1] * 20 + [None, 0.1, None, 0.1]), STABLE, strict) is not None


def test_no_answer_in_time_is_slow_and_not_wrong() -> None:
    """A moment in which the machine stood still is no error rate; a version that hangs goes all the same."""
    strict = ServingPolicy(max_error_rate=0.0)
    stalled = health([0.1] * 30)
    for _ in range(2):
        stalled.late(1.0)
        stalled.answered(0.1)
    assert fault(stalled, STABLE, strict) is None
    assert (stalled.report().errors, stalled.report().requests) == (2, 34)
    for _ in range(3):
        stalled.late(1.0)
    assert fault(stalled, STABLE, strict) == "3 errors in a row"


@pytest.mark.parametrize(
    ("canary", "stable", "goes"),
    [
        ([0.1] * 17 + [0.9] * 3, [0.1] * 20, False),  # three of forty, all on one side: one time in nine
        ([0.1] * 15 + [0.9] * 5, [0.1] * 20, True),
        ([0.1] * 190 + [0.9] * 10, [0.1] * 190 + [0.9] * 1 + [0.1] * 9, True),
        ([0.1] * 194 + [0.9] * 6, [0.1] * 198 + [0.9] * 2, False),  # the stable version stood still, too
        ([0.9] * 20, [0.1] * 20, True),
    ],
)
def test_slow_requests_that_chance_may_have_dealt_are_no_verdict(
    canary: list[float | None], stable: list[float | None], goes: bool
) -> None:
    assert (fault(health(canary), health(stable), POLICY) is not None) == goes


def test_chance_is_fishers() -> None:
    assert by_chance(3, 20, 0, 20) == pytest.approx(0.11538, abs=1e-5)
    assert by_chance(3, 33, 0, 50) == pytest.approx(0.05938, abs=1e-5)
    assert by_chance(0, 20, 5, 20) == 1
    assert by_chance(5, 20, 5, 20) == pytest.approx(0.64179, abs=1e-5)


def test_milliseconds_are_noise() -> None:
    fast = health([0.001] * 50)
    assert fault(health([0.059] * 50), fast, POLICY) is None
    assert fault(health([0.061] * 50), fast, POLICY) is not None


def test_a_stable_version_without_figures_is_no_measure() -> None:
    assert fault(health([9.0] * 50), health([0.1] * 19), POLICY) is None


def test_quantiles_are_nearest_ranks() -> None:
    hundred = [float(each) for each in range(1, 101)]
    assert (quantile(hundred, 0.5), quantile(hundred, 0.99), quantile(hundred, 1.0)) == (50, 99, 100)
    assert (quantile([7.0], 0.5), quantile([7.0], 0.99), quantile([], 0.5)) == (7, 7, None)


def test_the_report_counts_everything_and_times_what_was_answered() -> None:
    report = health([0.2, None, 0.1]).report()
    assert (report.version, report.requests, report.errors) == ("v", 3, 1)
    assert (report.p50_latency_seconds, report.p99_latency_seconds) == (0.1, 0.2)
    assert health([]).report().p99_latency_seconds is None
