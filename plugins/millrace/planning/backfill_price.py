"""Prices a backfill from the arrivals of its days: runs, energy, money; and makes a budget for it."""

import secrets
import sys
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from millrace.contracts.data import DatasetVersion, Window
from millrace.contracts.errors import TransientError
from millrace.contracts.parameters import Parameters
from millrace.contracts.plan import Plan
from millrace.contracts.workload import Workload
from millrace.ledger.records import Budget
from millrace.planning.run_plan import plan_runs
from millrace.runs.located_source import located
from millrace.runs.run import Run
from millrace.settings import Settings
from millrace.sizing.backfill import BackfillPrice, Delivery, in_unit, price_backfill, rates, resized
from millrace.sizing.prices import JOULES_PER_KWH
from millrace.storage.arrivals import arrived_sizes


@dataclass(frozen=True)
class Bounds:
    """Limits on the work of a price: daily folders whose files are listed, and trainings that are planned."""

    day_folders: int
    plans: int


UNBOUNDED = Bounds(day_folders=sys.maxsize, plans=sys.maxsize)


def price(
    workload: Workload,
    conf: Mapping[str, object],
    windows: Sequence[Window],
    settings: Settings,
    max_active_runs: int,
    bounds: Bounds = UNBOUNDED,
) -> BackfillPrice:
    """Return the price of runs for these windows, one run per window; the runs that train follow policies.newest_run.

    The price lists what the bounds left out. Raises TransientError if a training has to be priced before any day of the
    workload was validated.
    """
    workload = located(workload, settings.arrivals)
    parameters = Parameters.model_validate(conf)
    days = list(dict.fromkeys(day for window in windows for day in window.days))
    found = arrived_sizes(workload.dataset.source, days, bounds.day_folders)
    deliveries = [_delivery(found.sizes, window) for window in windows]
    arrived = [each for each in deliveries if each.bytes is not None]
    trains = {"always": arrived, "auto": arrived[-1:], "newest": arrived[-1:], "never": []}[parameters.train]
    if parameters.dry_run:
        trains = []
    planned = _spread(len(trains), bounds.plans)
    made = _plans(workload, parameters, arrived, [trains[at] for at in planned], settings) if trains else []
    whole = price_backfill(
        deliveries,
        _for_each(len(trains), planned, made),
        hardware=settings.hardware(parameters.hardware),
        site=settings.site_rates(),
        max_active_runs=max_active_runs,
    )
    return replace(whole, left_out=_left_out(found.estimated, len(trains), len(planned)))


def _delivery(sizes: Mapping[date, int], window: Window) -> Delivery:
    """Return a run's arrivals under its last day; None bytes if no day has any."""
    arrived = [sizes[day] for day in window.days if day in sizes]
    return Delivery(window.last, sum(arrived) if arrived else None)


def _spread(count: int, most: int) -> list[int]:
    """Return at most ``most`` of ``count`` indexes, evenly spread, including the last one."""
    if count <= most:
        return list(range(count))
    return [(at + 1) * count // most - 1 for at in range(most)]


def _for_each(count: int, planned: Sequence[int], plans: Sequence[Plan]) -> list[Plan]:
    """Return a plan for each training: its own, or that of the next planned one, which has more data."""
    return [plans[bisect_left(planned, at)] for at in range(count)]


def _left_out(estimated: int, trainings: int, planned: int) -> tuple[str, ...]:
    notes = []
    if estimated:
        notes.append(f"{estimated:,} days' own folders were not looked into: the mean size of the others counts")
    if planned < trainings:
        notes.append(
            f"of {trainings:,} trainings {planned:,} were planned: any other counts as the next of them, with more data"
        )
    return tuple(notes)


def _plans(
    workload: Workload, parameters: Parameters, arrived: list[Delivery], trains: list[Delivery], settings: Settings
) -> list[Plan]:
    """Return a plan for each run that trains: on the data published up to its day plus the arrivals until then."""
    ledger = settings.ledger()
    # days may be validated in any order: the profile of all known data gives rows and tokens per byte
    generation = workload.dataset.generation
    profile = ledger.profile(workload.name, until=date.max, generation=generation)
    if profile is None:
        raise TransientError(
            "nothing is known of this data yet",
            where=f"workload {workload.name}",
            rule="a training is priced from the profile of validated data",
            remedy="run one day first, for instance with train=never, and ask again",
        )
    settled = ledger.settled_partitions(workload.name, arrived[0].day, arrived[-1].day, generation)
    new = [each for each in arrived if settled.get(each.day) != "committed"]
    asked = []
    for day in (each.day for each in trains):
        run = Run.imagined(workload, parameters, day, settings.store)
        published = ledger.profile(workload.name, until=day, generation=generation)
        size_bytes = (published.bytes if published else 0) + sum(each.bytes or 0 for each in new if each.day <= day)
        dataset = DatasetVersion(
            workload=workload.name, uri=run.dataset_uri, version=0, until=day, generation=generation
        )
        asked.append((run, dataset, resized(profile, size_bytes)))
    return plan_runs(asked, settings)


def make_budget(
    amount: float, unit: str, dag_id: str, hardware: str, price: BackfillPrice, settings: Settings
) -> Budget:
    """Return a budget for one backfill. Raises BadInputError if there is no price in that unit."""
    per_joule, per_second = rates(unit, settings.hardware(hardware), settings.site_rates())
    return Budget(
        name=f"{dag_id[:40].rstrip('_.-')}-{secrets.token_hex(4)}",
        dag_id=dag_id,
        amount=amount,
        unit=unit,
        predicted=in_unit(price, unit).p50,
        per_joule=per_joule,
        per_second=per_second,
    )


def describe_budget(budget: Budget, price: BackfillPrice) -> str:
    """Return whether the backfill fits its budget, by the ledger's rule."""
    if budget.predicted > budget.amount:
        notes = "does not fit: every run stops at its first task and asks a person"
    elif in_unit(price, budget.unit).p90 > budget.amount:
        notes = "fits; of ten such backfills more than one would not, and a run past it asks a person"
    else:
        notes = "fits; a run past it asks a person"
    return f"budget     {budget.amount:,.6g} {budget.unit}: {notes}"


def describe(price: BackfillPrice, now: datetime) -> list[str]:
    """Return one line per metric, each with its P90."""
    lines = [
        f"runs       {price.runs:,}, {price.without_data:,} of them without data; {price.trainings:,} train",
        f"finished   {now + timedelta(seconds=price.seconds.p50):%Y-%m-%d %H:%M} "
        f"(90 %: {now + timedelta(seconds=price.seconds.p90):%Y-%m-%d %H:%M}) UTC, if begun now",
        f"GPU-hours  {price.gpu_hours.p50:,.2f} (90 %: {price.gpu_hours.p90:,.2f})",
        f"energy     {price.joules.p50 / JOULES_PER_KWH:,.4f} kWh (90 %: {price.joules.p90 / JOULES_PER_KWH:,.4f})",
    ]
    if price.cost:
        lines.append(f"money      {price.cost.p50:,.2f} {price.currency} (90 %: {price.cost.p90:,.2f})")
    else:
        lines.append("money      unknown: the site has no rates in the catalogue")
    if price.gco2e:
        lines.append(f"gCO2e      {price.gco2e.p50:,.0f} (90 %: {price.gco2e.p90:,.0f})")
    else:
        lines.append("gCO2e      unknown: the site has no carbon intensity in the catalogue")
    return lines + [f"estimated  {words}" for words in price.left_out]
