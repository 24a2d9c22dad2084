"""Which places this process may open: in Airflow's own processes the site's and the workloads', and no others.

A step's process is bounded by its credentials instead; there, and before ``confine``, every place may be opened.
"""

from millrace.contracts.errors import RefusedError

_confined: set[str] | None = None


def confine(*uris: str) -> None:
    """From now on this process opens nothing but these places, those of earlier calls and those of ``allow``."""
    global _confined
    _confined = (_confined or set()) | {uri.rstrip("/") for uri in uris if uri}


def allow(uri: str) -> None:
    """A place that a workload declares, beside the site's own."""
    if _confined is not None:
        confine(uri)


def check(uri: str) -> None:
    """Raises RefusedError for a URI that is in none of the places."""
    if _confined is None or any(uri == place or uri.startswith(f"{place}/") for place in _confined):
        return
    raise RefusedError(
        "Airflow does not open this place",
        where=uri,
        rule="Airflow opens the store, the arrivals and declared sources, whoever names another place",
        remedy="set MILLRACE_STORAGE_URI or MILLRACE_ARRIVALS_URI, or declare the place in a workload's source",
    )
