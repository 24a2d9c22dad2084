"""Hourly price and emission rates of energy: from a site's forecast file, or from the catalogue's daily rates."""

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
from millrace.sizing.catalogue import Rate, Site

HOUR = timedelta(hours=1)
RateName = Literal["gco2e_per_kwh", "price_per_kwh"]


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
