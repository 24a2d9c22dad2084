"""Cost and emissions of a run's energy and time at a site, by the hours in which they occur."""

from datetime import datetime

from millrace.contracts.measurement import Hardware, Quantity
from millrace.sizing.catalogue import Rate, Site

JOULES_PER_KWH = 3.6e6
_HOUR = 3600.0


def money(
    machine_seconds: Quantity,
    joules: Quantity,
    hardware: Hardware,
    site: Site,
    starts_at: datetime | None = None,
    seconds: float = 0.0,
) -> Quantity | None:
    """Return the hardware's price for the time plus the tariff for the energy, PUE included, in the site's currency.

    An hourly tariff is averaged over the hours from ``starts_at`` on, or over the day if that is unknown. None if there
    are no rates.
    """
    per_joule, per_kwh = None, _mean(site.price_per_kwh, starts_at, seconds)
    if per_kwh is not None and site.pue is not None:
        per_joule = per_kwh * site.pue / JOULES_PER_KWH
    if site.currency is None or (per_joule is None and hardware.price_per_hour is None):
        return None
    per_second = (hardware.price_per_hour or 0.0) / _HOUR
    return Quantity(
        p50=machine_seconds.p50 * per_second + joules.p50 * (per_joule or 0.0),
        p90=machine_seconds.p90 * per_second + joules.p90 * (per_joule or 0.0),
    )


def emissions(joules: Quantity, site: Site, starts_at: datetime | None = None, seconds: float = 0.0) -> Quantity | None:
    """Return gCO2e of the energy, PUE included, with hourly rates as for money; None if the site has no rates."""
    per_kwh = _mean(site.gco2e_per_kwh, starts_at, seconds)
    if per_kwh is None or site.pue is None:
        return None
    grams_per_joule = per_kwh * site.pue / JOULES_PER_KWH
    return Quantity(p50=joules.p50 * grams_per_joule, p90=joules.p90 * grams_per_joule)


def _mean(rate: Rate | tuple[Rate, ...] | None, starts_at: datetime | None, seconds: float) -> float | None:
    """Return the mean rate, weighted by the time in each hour of the day."""
    if rate is None or isinstance(rate, float | int):
        return rate
    if starts_at is None or seconds <= 0:
        return sum(rate) / len(rate)
    days, left = divmod(seconds, 24 * _HOUR)
    total, hour = days * _HOUR * sum(rate), starts_at.hour
    within = starts_at.minute * 60.0 + starts_at.second
    while left > 0:
        here = min(left, _HOUR - within)
        total += rate[hour % 24] * here
        left, hour, within = left - here, hour + 1, 0.0
    return total / seconds
