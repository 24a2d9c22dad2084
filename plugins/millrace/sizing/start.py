"""The start of a run that may wait: the hours in which its energy emits, or costs, the least."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from millrace.contracts.plan import Plan, PlannedStart
from millrace.contracts.workload import StartPolicy
from millrace.energy.estimate import estimated_joules
from millrace.sizing.catalogue import Site
from millrace.sizing.prices import HOUR, JOULES_PER_KWH, Forecast, RateForecasts, RateName, emissions, money, rates

_NAMES: dict[str, RateName] = {"carbon": "gco2e_per_kwh", "money": "price_per_kwh"}
# the steps that precede training
_BEFORE = ("ingest", "validate", "size")
_SAME = 1e-9


@dataclass(frozen=True)
class Stretch:
    """A part of a run with constant power."""

    seconds: float
    watts: float


@dataclass(frozen=True)
class Choice:
    """A start, and the rate-weighted energy (kWh x rate) of a run from it and from the earliest start."""

    at: datetime
    takes: float
    earliest_takes: float

    @property
    def saves_share(self) -> float:
        """The saving as a share of what the earliest start takes."""
        return (self.earliest_takes - self.takes) / abs(self.earliest_takes) if self.earliest_takes else 0.0


def best_start(
    earliest: datetime, latest: datetime, profile: Sequence[Stretch], forecast: Forecast, least_saving: float = 0.0
) -> Choice:
    """Return the start that takes the least, the earlier of equals; the earliest if none saves ``least_saving``.

    The start is not after ``latest`` (the earliest start if that is past), nor so late that the run would outlast the
    forecast, which covers a run from the earliest start. Between hour boundaries the total is linear in the start, so
    the minimum lies where an edge of the profile meets a full hour, or at either end.
    """
    lasts = sum(stretch.seconds for stretch in profile)
    latest = min(latest, forecast.end - timedelta(seconds=lasts))
    starts = {earliest, latest}
    edge = timedelta()
    for seconds in (0.0, *(stretch.seconds for stretch in profile)):
        edge += timedelta(seconds=seconds)
        starts |= {forecast.first + hour * HOUR - edge for hour in range(len(forecast.rates) + 1)}
    now = chosen = _takes(earliest, profile, forecast)
    at = earliest
    for start in sorted(each for each in starts if earliest < each <= latest):
        takes = _takes(start, profile, forecast)
        if takes < chosen - _SAME * abs(chosen):
            at, chosen = start, takes
    found = Choice(at, chosen, now)
    return found if found.saves_share >= least_saving else Choice(earliest, now, now)


def with_start(plan: Plan, policy: StartPolicy, site: Site, forecasts: RateForecasts | None) -> Plan:
    """Return the plan with its best start, and with the money and gCO2e of the hours that it then runs in.

    The digest is still that of the old plan. Steps before training count at the rates of the hour of sizing.
    """
    earliest, deadline = plan.made_at.astimezone(UTC), plan.made_at.astimezone(UTC) + policy.within_hours * HOUR
    profile, done_joules = power_profile(plan)
    needed = earliest + timedelta(seconds=sum(stretch.seconds for stretch in profile))
    last = max(needed, deadline + (needed - earliest))
    latest = deadline - timedelta(seconds=plan.seconds.p90 - sum(plan.seconds_by_step[step].p90 for step in _BEFORE))
    found = {name: rates(forecasts, site, name, earliest, needed, last) for name in _NAMES.values()}
    forecast, source = found[_NAMES[policy.prefer]]
    choice = best_start(earliest, latest, profile, forecast, policy.least_saving) if forecast else None
    at = choice.at if choice else earliest
    flat = site.model_copy(
        update={
            name: max(0.0, (done_joules * each.over(earliest, 1.0) + _takes(at, profile, each) * JOULES_PER_KWH))
            / plan.joules.p50
            for name, (each, _) in found.items()
            if each is not None and plan.joules.p50
        }
    )
    cost = money(plan.machine_seconds or plan.seconds, plan.joules, plan.hardware, flat)
    return plan.model_copy(
        update={
            "cost": cost,
            "currency": site.currency if cost else None,
            "gco2e": emissions(plan.joules, flat),
            "start": PlannedStart(
                at=at,
                deadline=deadline,
                prefer=policy.prefer,
                saves_share=choice.saves_share if choice else 0.0,
                saves=(choice.earliest_takes - choice.takes) * site.pue if choice and site.pue is not None else None,
                rates=source,
                reason=_reason(choice, latest, policy),
            ),
        }
    )


def power_profile(plan: Plan) -> tuple[list[Stretch], float]:
    """Return a run's power from its training on, at P50, and the joules of all earlier steps."""
    done = {step: plan.seconds_by_step[step].p50 for step in _BEFORE}
    done_joules = sum(estimated_joules(plan.hardware, wall, wall) for wall in done.values())
    train = Stretch(plan.seconds_by_step["train"].p50, plan.train_watts.p50 if plan.train_watts else 0.0)
    seconds = max(0.0, plan.seconds.p50 - sum(done.values()) - train.seconds)
    joules = max(0.0, plan.joules.p50 - done_joules - train.seconds * train.watts)
    return [train, Stretch(seconds, joules / seconds if seconds else 0.0)], done_joules


def _takes(start: datetime, profile: Sequence[Stretch], forecast: Forecast) -> float:
    total = 0.0
    for stretch in profile:
        total += stretch.watts * forecast.over(start, stretch.seconds)
        start += timedelta(seconds=stretch.seconds)
    return total / JOULES_PER_KWH


def _reason(choice: Choice | None, latest: datetime, policy: StartPolicy) -> str:
    what = "gCO2e" if policy.prefer == "carbon" else "money for energy"
    if choice is None:
        return "begins at once: nothing is known of the hours to come"
    if choice.saves_share:
        return f"begins at {choice.at:%Y-%m-%d %H:%M} UTC: {100 * choice.saves_share:.0f} % less {what} than at once"
    if latest <= choice.at:
        return f"starts at once: the P90 needs the {policy.within_hours:g} h until the deadline"
    return f"begins at once: no later start saves {100 * policy.least_saving:g} % of the {what}"
