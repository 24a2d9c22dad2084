"""Allow-list of URIs that this process may open: in Airflow's processes only the site's and the workloads' places.

A step's process is limited by its credentials instead; there, and before ``confine``, every URI may be opened.
"""

from millrace.contracts.errors import RefusedError

_confined: set[str] | None = None


def confine(*uris: str) -> None:
    """Limit this process to these URIs and all below them, those of earlier calls and those of ``allow``."""
    global _confined
    _confined = (_confined or set()) | {uri.rstrip("/") for uri in uris if uri}


def allow(uri: str) -> None:
    """Add a place that a workload declares; no effect before ``confine``."""
    if _confined is not None:
        confine(uri)


def check(uri: str) -> None:
    """Raise RefusedError if the URI is in none of the allowed places."""
    if _confined is None or any(uri == place or uri.startswith(f"{place}/") for place in _confined):
        return
    raise RefusedError(
        "Airflow does not open this place",
        where=uri,
        rule="Airflow opens the store, the arrivals and declared sources, and nothing else",
        remedy="set MILLRACE_STORAGE_URI or MILLRACE_ARRIVALS_URI, or declare the place in a workload's source",
    )
