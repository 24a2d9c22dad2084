"""Client of Prometheus's HTTP API: one number, or the samples of series as they were scraped."""

import math
from dataclasses import dataclass
from typing import Any

_REQUEST_SECONDS = 10


class PrometheusError(Exception):
    """Prometheus does not answer, rejects a query, or returns several series instead of one.

    No message contains the URL, which may have a password.
    """


@dataclass(frozen=True)
class Series:
    """A series: labels, and samples as (Unix seconds, value), ordered by time."""

    labels: dict[str, str]
    samples: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Prometheus:
    """Client of the server at ``url``."""

    url: str

    def number(self, query: str, at: float | None = None) -> float | None:
        """Return a query's number at a time (None: now); None if there is no series or the value is not finite."""
        data = self._ask(query, at)
        samples = [data["result"]] if data["resultType"] == "scalar" else [each["value"] for each in data["result"]]
        if len(samples) > 1:
            raise PrometheusError(f"{query} gives {len(samples)} series, not one")
        value = float(samples[0][1]) if samples else math.nan
        return value if math.isfinite(value) else None

    def samples(self, selector: str, begin: float, end: float) -> list[Series]:
        """Return every series of a selector with its scraped samples from ``begin`` to ``end``, not resampled."""
        window = max(1, math.ceil((end - begin) * 1000) + 1)
        data = self._ask(f"{selector}[{window}ms]", end)
        return [
            Series(
                dict(each["metric"]),
                tuple((float(at), float(value)) for at, value in each["values"] if begin <= float(at) <= end),
            )
            for each in data["result"]
        ]

    def _ask(self, query: str, at: float | None) -> dict[str, Any]:
        import httpx  # the import takes a fifth of a second; each process that reads the settings imports this module

        given = {"query": query} | ({"time": f"{at:.3f}"} if at else {})
        try:
            answer = httpx.get(
                f"{self.url.rstrip('/')}/api/v1/query", params=given, timeout=_REQUEST_SECONDS, trust_env=False
            )
            body = answer.json()
            data = body["data"] if body["status"] == "success" else None
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, TypeError, KeyError) as error:
            raise PrometheusError(f"Prometheus does not answer: {type(error).__name__}") from error
        if data is None:
            raise PrometheusError(f"Prometheus refuses {query}: {body.get('error')}")
        found: dict[str, Any] = data
        return found
