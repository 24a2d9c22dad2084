"""Site page: energy by day and workload, its cost, budgets, and the growth of storage."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse
from markupsafe import Markup

from millrace.ledger.database import Row
from millrace.pages import charts
from millrace.pages.access import ReadableDags
from millrace.pages.rendering import show
from millrace.runs.retention import forecasts
from millrace.settings import load_settings

router = APIRouter()

_SHOWN = 7  # workloads with their own colour
_DAYS_SHOWN = 31
_STORAGE_DAYS = 90
_JOULES_PER_WH = 3600


@router.get("/site")
def page(
    request: Request, dags: ReadableDags, days: Annotated[Literal["7", "30", "90", "365"], Query()] = "30"
) -> HTMLResponse:
    """Show the last days of the DAGs that this user may read."""
    settings = load_settings()
    views = settings.ledger().views
    today = datetime.now(UTC).date()
    since = today - timedelta(days=int(days) - 1)
    known = sorted(set(views.dags()) & dags)
    rows = views.energy_by_day(known, since) if known else []
    stored = [
        each
        for each in forecasts(views.storage(settings.store, today - timedelta(days=_STORAGE_DAYS)))
        if each[0] in dags
    ]
    return show(
        request,
        "site.html",
        site=settings.site_rates(),
        days=days,
        rows=rows,
        chart=_chart(rows, since, today),
        totals=_totals(rows),
        workloads=_by_workload(rows),
        stored=stored,
        budgets=views.budgets(known) if known else [],
        live=len(views.live_models(known)) if known else 0,
        open_runs=sum(row["dag_id"] in dags for row in settings.ledger().open_runs()),
    )


def _chart(rows: Sequence[Row], since: date, today: date) -> Markup | None:
    """Draw watt-hours by day, or by week above 31 days: the seven largest workloads, the others summed up."""
    known = [row for row in rows if row["joules"] is not None]
    if not known:
        return None
    totals: dict[str, float] = defaultdict(float)
    for row in known:
        totals[row["workload"]] += row["joules"]
    named = sorted(totals, key=lambda name: -totals[name])[:_SHOWN]
    length = 1 if (today - since).days < _DAYS_SHOWN else 7
    bars = [(since + timedelta(days=offset)).isoformat() for offset in range(0, (today - since).days + 1, length)]
    series: dict[str, list[float | None]] = {name: [None] * len(bars) for name in named}
    if len(totals) > _SHOWN:
        series["all others"] = [None] * len(bars)
    for row in known:
        place = (date.fromisoformat(row["day"]) - since).days // length
        if place < len(bars):
            values = series[row["workload"] if row["workload"] in named else "all others"]
            values[place] = (values[place] or 0) + row["joules"] / _JOULES_PER_WH
    span = "day" if length == 1 else "week"
    return charts.stacked(bars, series, f"Energy by {span} and workload, in watt-hours", "Wh")


def _totals(rows: Sequence[Row]) -> dict[str, Any]:
    """Return sums over all rows; None if no value is known; money only if all costs have the same currency."""
    currencies = {row["currency"] for row in rows if row["cost"] is not None}
    measured = _sum(row["joules"] for row in rows)
    estimated = _sum(row["estimated_joules"] for row in rows)
    return {
        "runs": sum(row["runs"] for row in rows),
        "unmeasured": sum(row["unmeasured"] for row in rows),
        "joules": measured,
        "estimated_share": (estimated or 0) / measured if measured else None,
        "seconds": _sum(row["seconds"] for row in rows),
        "cost": _sum(row["cost"] for row in rows) if len(currencies) == 1 else None,
        "currency": next(iter(currencies)) if len(currencies) == 1 else None,
    }


def _by_workload(rows: Sequence[Row]) -> list[tuple[str, dict[str, Any]]]:
    """Return the sums by workload, the largest energy first."""
    parts: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        parts[row["workload"]].append(row)
    found = [(name, _totals(part)) for name, part in parts.items()]
    return sorted(found, key=lambda each: -(each[1]["joules"] or 0))


def _sum(values: Any) -> float | None:  # noqa: ANN401 - an iterable of numbers and None
    known = [value for value in values if value is not None]
    return sum(known) if known else None
