"""Format numbers with their unit, and unknown values as words (Jinja filters)."""

from collections.abc import Callable
from datetime import UTC, datetime

UNMEASURED = "not measured"
_BINARY = ("bytes", "KiB", "MiB", "GiB", "TiB")


def seconds(value: float | None, unknown: str = UNMEASURED) -> str:
    """Format a duration: 8.2 s, 4 min 12 s, 3 h 05 min."""
    if value is None:
        return unknown
    if value < 10:
        return f"{value:.1f} s"
    if value < 60:
        return f"{value:.0f} s"
    if value < 3600:
        return f"{int(value // 60)} min {int(value % 60):02} s"
    return f"{int(value // 3600):,} h {int(value % 3600 // 60):02} min"


def energy(joules: float | None, unknown: str = UNMEASURED) -> str:
    """Format joules as J below 10 J, else as Wh or kWh."""
    if joules is None:
        return unknown
    if joules < 10:
        return f"{joules:.3g} J"
    hours = joules / 3600
    if hours < 10:
        return f"{hours:.3f} Wh"
    return f"{hours:,.1f} Wh" if hours < 1000 else f"{hours / 1000:,.2f} kWh"


def size(value: float | None, unknown: str = UNMEASURED) -> str:
    """Format bytes in binary units."""
    if value is None:
        return unknown
    power = 0
    while abs(value) >= 1024 and power < len(_BINARY) - 1:
        value, power = value / 1024, power + 1
    return f"{value:,.0f} {_BINARY[power]}" if power < 2 else f"{value:,.1f} {_BINARY[power]}"


def money(value: float | None, currency: str | None, unknown: str = UNMEASURED) -> str:
    """Format an amount with its currency: two decimals, below 1 three significant digits."""
    if value is None or currency is None:
        return unknown
    return f"{value:,.2f} {currency}" if value >= 1 else f"{value:.3g} {currency}"


def watts(value: float | None, unknown: str = UNMEASURED) -> str:
    """Format power in watts."""
    return unknown if value is None else f"{value:,.1f} W"


def share(value: float | None, unknown: str = UNMEASURED) -> str:
    """Format a quality from 0 to 1 with three decimals."""
    return unknown if value is None else f"{value:.3f}"


def error(value: float | None) -> str:
    """Format a prediction's relative error as a percentage with sign; empty if unknown."""
    return "" if value is None else f"{value:+.0%}"


def grams(value: float | None, unknown: str = UNMEASURED) -> str:
    """Format grams of CO2 equivalent as g or kg."""
    if value is None:
        return unknown
    return f"{value:,.1f} g CO₂e" if value < 1000 else f"{value / 1000:,.2f} kg CO₂e"


def count(value: int | None, unknown: str = UNMEASURED) -> str:
    """Format a count."""
    return unknown if value is None else f"{value:,}"


def moment(text: str | datetime | None, unknown: str = "not yet") -> str:
    """Format a time in UTC to the second."""
    if text is None:
        return unknown
    at = datetime.fromisoformat(text) if isinstance(text, str) else text
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


FILTERS: dict[str, Callable[..., str]] = {
    each.__name__: each for each in (seconds, energy, size, money, watts, share, error, grams, count, moment)
}
