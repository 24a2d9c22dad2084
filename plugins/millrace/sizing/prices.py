"""Hourly price and emission rates of energy, from a forecast file or the catalogue, and a run's cost and emissions."""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from pydantic import AwareDatetime, Field, TypeAdapter, ValidationError

from millrace.contracts.base import Contract
from millrace.contracts.errors import BadInputError
from millrace.contracts.measurement import Hardware, Quantity
from millrace.sizing.catalogue import Rate, Site

HOUR = timedelta(hours=1)
RateName = Literal["gco2e_per_kwh", "price_per_kwh"]
JOULES_PER_KWH = 3.6e6
_HOUR = 3600.0


@dataclass(frozen=True)
class Forecast:
    """A rate for each hour from ``first`` on; hours are UTC hours, with one rate each."""

    first: datetime
    rates: tuple[float, ...]

    @property
    def end(self) -> datetime:
        """The end of the last hour."""
        return self.first + len(self.rates) * HOUR

    def covers(self, begin: datetime, end: datetime) -> bool:
        """Return whether every hour between the two times has a rate."""
        return self.first <= begin and end <= self.end

    def over(self, begin: datetime, seconds: float) -> float:
        """Return the integral of the rate over ``seconds`` from ``begin``; a partial hour counts by its share.

        Valid for times that ``covers`` accepts. A time just after the end, from rounding, has the last hour's rate.
        """
        index, offset = divmod((begin - self.first).total_seconds(), HOUR.total_seconds())
        total, left, hour = 0.0, seconds, int(index)
        while left > 0:
            here = min(left, HOUR.total_seconds() - offset)
            total += self.rates[min(hour, len(self.rates) - 1)] * here
            left, hour, offset = left - here, hour + 1, 0.0
        return total


@dataclass(frozen=True)
class RateForecasts:
    """The content of a forecast file; a rate that it lacks is None. ``problem`` is the reason why both are missing."""

    source: str
    gco2e_per_kwh: Forecast | None = None
    price_per_kwh: Forecast | None = None
    problem: str | None = None


class _Hour(Contract):
    hour: AwareDatetime
    gco2e_per_kwh: Rate | None = None
    price_per_kwh: float | None = Field(default=None, description="negative if the grid pays consumers")


_HOURS = TypeAdapter(tuple[_Hour, ...])


def read_forecasts(content: bytes, source: str) -> RateForecasts:
    """Read a JSON list of objects, or CSV with a header, with ``hour`` and one or both of the rates.

    Raises BadInputError if a row or number is invalid, an hour is missing or duplicate, or a rate has gaps.
    """
    try:
        text = content.decode("utf-8-sig")
        if text.lstrip().startswith("["):
            rows = json.loads(text)
        else:
            lines = csv.DictReader(io.StringIO(text), strict=True)
            rows = [{name: value for name, value in line.items() if value != ""} for line in lines]
        hours = _HOURS.validate_python(rows)
    except ValidationError as error:
        first = error.errors()[0]
        raise _malformed(
            source, f"row {first['loc'][0]}, {'.'.join(map(str, first['loc'][1:]))}: {first['msg']}"
        ) from error
    except (ValueError, csv.Error) as error:
        raise _malformed(source, str(error)) from error
    if not hours:
        raise _malformed(source, "it has no hours")
    begin = hours[0].hour
    for index, each in enumerate(hours):
        if each.hour != begin + index * HOUR or each.hour.timestamp() % HOUR.total_seconds():
            raise _malformed(source, f"row {index}: {each.hour.isoformat()} is not the hour that follows")
    return RateForecasts(
        source,
        gco2e_per_kwh=_column(source, begin, "gco2e_per_kwh", [each.gco2e_per_kwh for each in hours]),
        price_per_kwh=_column(source, begin, "price_per_kwh", [each.price_per_kwh for each in hours]),
    )


def rates(
    forecasts: RateForecasts | None, site: Site, name: RateName, begin: datetime, needed: datetime, last: datetime
) -> tuple[Forecast | None, str]:
    """Return the forecast to use from ``begin`` on, and its source; None if there are no rates.

    A forecast file is used if it has all hours until ``needed``; otherwise the catalogue's daily rates repeat until
    ``last``, and the source names the reason.
    """
    own: float | Sequence[float] | None = getattr(site, name)
    why = ""
    if forecasts is not None:
        found: Forecast | None = getattr(forecasts, name)
        if found is not None and found.covers(begin, needed):
            return found, f"the forecast {forecasts.source}"
        missing = (
            f"it has no {name}" if found is None else f"it does not have every hour to {needed:%Y-%m-%d %H:%M} UTC"
        )
        why = f", since of the forecast {forecasts.source} nothing was taken: {forecasts.problem or missing}"
    if own is None:
        return None, f"nobody: the site has no {name}{why}"
    day = (own,) * 24 if isinstance(own, float | int) else tuple(own)
    first = begin.replace(minute=0, second=0, microsecond=0)
    count = int((last - first) / HOUR) + 1
    return Forecast(first, tuple(day[(first.hour + index) % 24] for index in range(count))), f"the catalogue's day{why}"


def _column(source: str, begin: datetime, name: str, values: Sequence[float | None]) -> Forecast | None:
    known = tuple(value for value in values if value is not None)
    if known and len(known) < len(values):
        raise _malformed(source, f"{name} is there for {len(known)} of {len(values)} hours")
    return Forecast(begin, known) if known else None


def _malformed(source: str, what: str) -> BadInputError:
    return BadInputError(
        f"the forecast cannot be read: {what}",
        where=source,
        rule="hours that follow each other, in UTC or with an offset, each with gco2e_per_kwh, price_per_kwh or both",
        remedy="correct what writes the file",
    )


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
