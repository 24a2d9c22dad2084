"""The price of a backfill, before it starts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from millrace.contracts.data import LengthHistogram, Profile
from millrace.contracts.errors import BadInputError
from millrace.contracts.measurement import Hardware, Quantity
from millrace.contracts.plan import Plan
from millrace.energy.estimate import estimated_joules
from millrace.sizing import coefficients as known
from millrace.sizing.catalogue import Site
from millrace.sizing.estimate import data_walls
from millrace.sizing.prices import JOULES_PER_KWH, emissions, money

KWH = "kWh"
_DATA_STEPS = ("ingest", "validate")


@dataclass(frozen=True)
class Delivery:
    """The day of one run; ``bytes`` is the size of its arrivals, None if there is no file."""

    day: date
    bytes: int | None


@dataclass(frozen=True)
class BackfillPrice:
    """Sums over all runs; ``seconds`` is the wall time with ``max_active_runs`` in parallel.

    Runs without data end as skipped. Money and gCO2e are None if the site has no rates. ``left_out`` lists, as texts,
    what the price does not consider.
    """

    runs: int
    without_data: int
    trainings: int
    seconds: Quantity
    gpu_hours: Quantity
    joules: Quantity
    cost: Quantity | None
    currency: str | None
    gco2e: Quantity | None
    left_out: tuple[str, ...] = ()


def price_backfill(
    deliveries: Sequence[Delivery], trainings: Sequence[Plan], *, hardware: Hardware, site: Site, max_active_runs: int
) -> BackfillPrice:
    """Sum the data steps of every delivery, and the other steps of the runs that train, by one plan for each.

    Data steps run in parallel, trainings of one workload one after the other.
    """
    given = [delivery.bytes for delivery in deliveries if delivery.bytes is not None]
    of_data = [sum(data_walls(size).values()) for size in given]
    seconds = machine_seconds = gpu_seconds = 0.0
    joules = sum(estimated_joules(hardware, wall, wall) for wall in of_data)
    for plan in trainings:
        # the plan's data steps cover all data; here the data steps of each day are counted separately
        walls = [plan.seconds_by_step[step].p50 for step in _DATA_STEPS]
        together = (plan.machine_seconds or plan.seconds).p50
        seconds += plan.seconds.p50 - sum(walls)
        machine_seconds += together - sum(walls)
        gpu_seconds += hardware.gpus * (together - plan.seconds.p50 + plan.seconds_by_step["train"].p50)
        joules += plan.joules.p50 - sum(estimated_joules(plan.hardware, wall, wall) for wall in walls)
    whole = _quantity(joules)
    cost = money(_quantity(sum(of_data) + machine_seconds), whole, hardware, site)
    return BackfillPrice(
        runs=len(deliveries),
        without_data=len(deliveries) - len(given),
        trainings=len(trainings),
        seconds=_quantity(sum(of_data) / max(1, min(max_active_runs, len(given))) + seconds),
        gpu_hours=_quantity(gpu_seconds / 3600),
        joules=whole,
        cost=cost,
        currency=site.currency if cost else None,
        gco2e=emissions(whole, site),
    )


def in_unit(price: BackfillPrice, unit: str) -> Quantity:
    """Return the price in kWh or in the site's currency. Raises BadInputError if the site has no rates for it."""
    if unit == KWH:
        return Quantity(p50=price.joules.p50 / JOULES_PER_KWH, p90=price.joules.p90 / JOULES_PER_KWH)
    if price.cost is None or price.currency != unit:
        raise BadInputError(
            f"there is no price in {unit}",
            where="the site's entry of the catalogue",
            rule=f"money is in the site's currency, {price.currency or 'and this site has no rates'}",
            remedy="give the site its rates, or a budget in kWh",
        )
    return price.cost


def rates(unit: str, hardware: Hardware, site: Site) -> tuple[float, float]:
    """Return the cost of a joule and of a second in that unit."""
    if unit == KWH:
        return 1 / JOULES_PER_KWH, 0.0
    nothing, one = Quantity(p50=0, p90=0), Quantity(p50=1, p90=1)
    costs = money(nothing, one, hardware, site), money(one, nothing, hardware, site)
    return costs[0].p50 if costs[0] else 0.0, costs[1].p50 if costs[1] else 0.0


def resized(profile: Profile, size_bytes: int) -> Profile:
    """Return the profile scaled to ``size_bytes`` of the same kind of data."""
    factor = size_bytes / profile.bytes

    def more(count: int) -> int:
        return round(count * factor)

    lengths = profile.token_lengths
    return profile.model_copy(
        update={
            "rows": more(profile.rows),
            "bytes": size_bytes,
            "rows_by_split": {split: more(rows) for split, rows in profile.rows_by_split.items()},
            "label_counts": {label: more(count) for label, count in profile.label_counts.items()},
            "token_lengths": LengthHistogram(upper=lengths.upper, counts=tuple(more(count) for count in lengths.counts))
            if lengths
            else None,
        }
    )


def _quantity(p50: float) -> Quantity:
    return Quantity(p50=p50, p90=p50 * known.SECONDS_P90)
