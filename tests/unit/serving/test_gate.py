"""The gate's truth table."""

from typing import Any

import pytest

from millrace.contracts.model import ModelVersion
from millrace.contracts.report import Quality, ServingCost
from millrace.contracts.workload import GatePolicy
from millrace.serving.gate import judge

POLICY = GatePolicy(
    quality_floor=0.8,
    max_quality_drop=0.01,
    max_p99_latency_seconds=0.5,
    max_latency_increase=0.25,
    max_memory_bytes=1000 * 1024**2,
    max_joules_increase=0.2,
    min_test_rows=100,
)


def quality(version: str = "new", rows: int = 500, micro: float = 0.85, macro: float = 0.7, **cost: Any) -> Quality:
    figures: dict[str, Any] = {
        "p50_latency_seconds": 0.1,
        "p99_latency_seconds": 0.2,
        "joules_per_request": 2.0,
        "energy_method": "rapl",
        "peak_memory_bytes": 500 * 1024**2,
        **cost,
    }
    model = ModelVersion(workload="w", version=version, uri=f"file:///m/{version}", manifest_sha256="0" * 64)
    return Quality(
        model=model,
        rows=rows,
        micro_f1=micro,
        macro_f1=macro,
        calibration_error=0.1,
        labels=(),
        serving=ServingCost(requests=200, **figures),
    )


LIVE = quality("old")


@pytest.mark.parametrize(
    ("candidate", "outcome", "says"),
    [
        (quality(), "pass", "no live version: the floors decide about new"),
        (quality(micro=0.8), "pass", "micro_f1 0.8000 reaches the floor 0.8000"),
        (quality(micro=0.7999), "fail", "micro_f1 0.7999 is below the floor 0.8000"),
        (quality(p99_latency_seconds=0.51), "fail", "p99 latency 510.0 ms is above the limit 500.0 ms"),
        (quality(peak_memory_bytes=1001 * 1024**2), "fail", "peak memory 1,001.0 MiB is above the limit 1,000.0 MiB"),
        (quality(rows=99), "inconclusive", "99 test rows are fewer than the 100"),
        (quality(rows=100), "pass", ""),
    ],
)
def test_floors_decide_without_a_live_version(candidate: Quality, outcome: str, says: str) -> None:
    verdict = judge(POLICY, candidate, None)
    assert verdict.outcome == outcome
    assert says in "\n".join(verdict.reasons)


@pytest.mark.parametrize(
    ("candidate", "outcome"),
    [
        (quality(), "pass"),
        (quality(micro=0.95), "pass"),
        (quality(micro=0.8401), "pass"),
        (quality(micro=0.8399), "inconclusive"),
        (quality(micro=0.8301), "inconclusive"),
        (quality(micro=0.8299), "fail"),
        (quality(rows=400), "inconclusive"),
        (quality(p50_latency_seconds=0.12, p99_latency_seconds=0.24), "pass"),
        (quality(p50_latency_seconds=0.13, p99_latency_seconds=0.26), "inconclusive"),
        (quality(p50_latency_seconds=0.16, p99_latency_seconds=0.32), "fail"),
        (quality(p50_latency_seconds=0.10, p99_latency_seconds=0.40), "pass"),  # a tail alone is the machine's
        (quality(p50_latency_seconds=0.16, p99_latency_seconds=0.20), "pass"),
        (quality(joules_per_request=2.3), "pass"),
        (quality(joules_per_request=2.5), "inconclusive"),
        (quality(joules_per_request=2.9), "fail"),
        (quality(joules_per_request=99.0, energy_method="estimated"), "pass"),
        (quality(joules_per_request=99.0, energy_method="nvml"), "pass"),
        (quality(joules_per_request=None, energy_method=None), "pass"),
        (quality(joules_per_request=99.0, energy_method=None), "pass"),
    ],
)
def test_changes_against_the_live_version(candidate: Quality, outcome: str) -> None:
    assert judge(POLICY, candidate, LIVE).outcome == outcome


def test_the_live_version_s_estimate_is_not_judged_either() -> None:
    live = quality("old", joules_per_request=0.1, energy_method="estimated")
    verdict = judge(POLICY, quality(), live)
    assert verdict.outcome == "pass"
    assert (
        "2 joules per request (rapl), the live version's are 0.1 (estimated): estimated joules are shown, never "
        in ("\n".join(verdict.reasons))
    )


def test_milliseconds_of_a_fast_model_are_noise() -> None:
    live = quality("old", p50_latency_seconds=0.001, p99_latency_seconds=0.002)
    slower = quality(p50_latency_seconds=0.0029, p99_latency_seconds=0.006)
    assert judge(POLICY, slower, live).outcome == "pass"
    slow = quality(p50_latency_seconds=0.0031, p99_latency_seconds=0.006)
    assert judge(POLICY, slow, live).outcome == "fail"


def test_any_failure_fails_and_comes_first() -> None:
    verdict = judge(POLICY, quality(micro=0.79, rows=50, joules_per_request=2.5), LIVE)
    assert verdict.outcome == "fail"
    assert [reason.split(" ")[0] for reason in verdict.reasons[:2]] == ["micro_f1", "micro_f1"]
    assert "below the floor" in verdict.reasons[0]
    assert "50 test rows" in verdict.reasons[2]
    assert len(verdict.reasons) == 9


def test_a_floor_fails_what_is_better_than_the_live_version() -> None:
    assert judge(POLICY, quality(micro=0.7), quality("old", micro=0.5)).outcome == "fail"


def test_the_policy_s_metric_is_the_one_that_counts() -> None:
    policy = POLICY.model_copy(update={"metric": "macro_f1", "quality_floor": 0.75})
    assert judge(policy, quality(macro=0.76), quality("old", macro=0.76, micro=0.99)).outcome == "pass"
    assert judge(policy, quality(macro=0.74), None).outcome == "fail"


def test_no_drop_at_all_may_be_asked_for() -> None:
    policy = POLICY.model_copy(update={"max_quality_drop": 0.0})
    assert judge(policy, quality(), LIVE).outcome == "pass"
    assert judge(policy, quality(micro=0.8499), LIVE).outcome == "fail"


def test_a_live_version_that_used_nothing_is_no_division_by_zero() -> None:
    live = quality("old", p50_latency_seconds=0.0, p99_latency_seconds=0.0, joules_per_request=0.0)
    assert judge(POLICY, quality(), live).outcome == "fail"
    assert (
        judge(POLICY, quality(p50_latency_seconds=0.0, p99_latency_seconds=0.0, joules_per_request=0.0), live).outcome
        == "pass"
    )
