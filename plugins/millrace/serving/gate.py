"""Verdict on whether a candidate may go live, by absolute floors and by changes against the live version."""

from collections.abc import Iterator
from typing import Literal

from millrace.contracts.report import Quality
from millrace.contracts.serving import Verdict
from millrace.contracts.workload import GatePolicy

Outcome = Literal["fail", "inconclusive", "pass"]
Finding = tuple[Outcome, str]

LATENCY_NOISE_SECONDS = 0.002
_SEVERITY: tuple[Outcome, ...] = ("fail", "inconclusive", "pass")


def judge(policy: GatePolicy, candidate: Quality, live: Quality | None) -> Verdict:
    """Return the verdict on a candidate, with a sentence for every rule, the failed ones first.

    The verdict is "fail" if any rule fails, else "inconclusive" if any rule is inconclusive, else "pass". A missed
    floor fails. A change for the worse against the live version is inconclusive above the policy's limit and fails
    above twice that limit. A slower p99 counts only if the median is slower by more than 2 ms, too: a slow tail alone
    may come from the machine. Without a live version the floors decide. Estimated joules are shown, never judged.
    """
    findings = [*_floors(policy, candidate), *(_changes(policy, candidate, live) if live else [_first(candidate)])]
    findings.sort(key=lambda finding: _SEVERITY.index(finding[0]))
    return Verdict(outcome=findings[0][0], reasons=tuple(sentence for _, sentence in findings))


def _first(candidate: Quality) -> Finding:
    return "pass", f"no live version: the floors decide about {candidate.model.version}"


def _floors(policy: GatePolicy, candidate: Quality) -> Iterator[Finding]:
    quality = _quality(policy, candidate)
    if quality < policy.quality_floor:
        yield "fail", f"{policy.metric} {quality:.4f} is below the floor {policy.quality_floor:.4f}"
    else:
        yield "pass", f"{policy.metric} {quality:.4f} reaches the floor {policy.quality_floor:.4f}"
    cost = candidate.serving
    yield _ceiling("p99 latency", cost.p99_latency_seconds * 1e3, policy.max_p99_latency_seconds * 1e3, "ms")
    yield _ceiling("peak memory", cost.peak_memory_bytes / 1024**2, policy.max_memory_bytes / 1024**2, "MiB")
    if candidate.rows < policy.min_test_rows:
        yield "inconclusive", f"{candidate.rows} test rows are fewer than the {policy.min_test_rows} a verdict needs"


def _ceiling(name: str, value: float, limit: float, unit: str) -> Finding:
    if value > limit:
        return "fail", f"{name} {value:,.1f} {unit} is above the limit {limit:,.1f} {unit}"
    return "pass", f"{name} {value:,.1f} {unit} is within the limit {limit:,.1f} {unit}"


def _changes(policy: GatePolicy, candidate: Quality, live: Quality) -> Iterator[Finding]:
    if candidate.rows != live.rows:
        yield (
            "inconclusive",
            f"the candidate was tested on {candidate.rows} rows, the live version on {live.rows}: not the same rows",
        )
    before, after = _quality(policy, live), _quality(policy, candidate)
    yield (
        _worse(before - after, policy.max_quality_drop),
        f"{policy.metric} {after:.4f}, the live version's is {before:.4f}: "
        f"a change of {after - before:+.4f}, a drop of {policy.max_quality_drop:.4f} is accepted",
    )
    yield _latency(policy, candidate, live)
    yield _memory(candidate, live)
    yield _joules(policy, candidate, live)


def _latency(policy: GatePolicy, candidate: Quality, live: Quality) -> Finding:
    before, after = live.serving, candidate.serving
    tail = _increase(before.p99_latency_seconds, after.p99_latency_seconds)
    median = _increase(before.p50_latency_seconds, after.p50_latency_seconds)
    sentence = (
        f"p99 latency {after.p99_latency_seconds * 1e3:.1f} ms ({tail:+.0%}) and median "
        f"{after.p50_latency_seconds * 1e3:.1f} ms ({median:+.0%}) against the live version; "
        f"{policy.max_latency_increase:+.0%} is accepted"
    )
    slower_seconds = after.p50_latency_seconds - before.p50_latency_seconds
    if slower_seconds <= LATENCY_NOISE_SECONDS:
        return "pass", sentence
    return _worse(min(tail, median), policy.max_latency_increase), sentence


def _memory(candidate: Quality, live: Quality) -> Finding:
    before, after = live.serving.peak_memory_bytes, candidate.serving.peak_memory_bytes
    return "pass", f"peak memory {after / 1024**2:,.1f} MiB, the live version's is {before / 1024**2:,.1f} MiB"


def _joules(policy: GatePolicy, candidate: Quality, live: Quality) -> Finding:
    before, after = live.serving, candidate.serving
    unjudged: Outcome = "inconclusive" if policy.needs_energy else "pass"
    if before.joules_per_request is None or after.joules_per_request is None:
        return unjudged, "joules per request are not known for both versions, so they are not judged"
    figures = (
        f"{after.joules_per_request:.3g} joules per request ({after.energy_method}), "
        f"the live version's are {before.joules_per_request:.3g} ({before.energy_method})"
    )
    if {before.energy_method, after.energy_method} & {"estimated", None}:
        return unjudged, f"{figures}: estimated joules are shown, never judged"
    if before.energy_method != after.energy_method:
        return unjudged, f"{figures}: different sensors are not compared"
    increase = _increase(before.joules_per_request, after.joules_per_request)
    return (
        _worse(increase, policy.max_joules_increase),
        f"{figures}: {increase:+.0%}, {policy.max_joules_increase:+.0%} is accepted",
    )


def _worse(change: float, limit: float) -> Outcome:
    if change <= limit:
        return "pass"
    return "fail" if change > 2 * limit else "inconclusive"


def _increase(before: float, after: float) -> float:
    """Return the change as a share of ``before``; infinite for an increase from zero."""
    if before > 0:
        return after / before - 1
    return float("inf") if after > 0 else 0.0


def _quality(policy: GatePolicy, quality: Quality) -> float:
    return quality.micro_f1 if policy.metric == "micro_f1" else quality.macro_f1
