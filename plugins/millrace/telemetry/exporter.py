"""Prometheus metrics from the ledger, read at each scrape."""

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import GaugeMetricFamily, Metric

from millrace.contracts.errors import TransientError
from millrace.ledger.database import Row, written
from millrace.ledger.ledger import Ledger
from millrace.ledger.views import RunFilter

log = logging.getLogger(__name__)

RECENT = timedelta(days=7)
BUDGET_IN_USE = timedelta(days=1)
NEWEST_RUNS = 20
_FIGURES = ("seconds", "joules", "peak_memory_bytes")

Values = Mapping[tuple[str, ...], float]


class LedgerCollector:
    """Gauges from the ledger; unknown values have no series.

    While the ledger does not answer, ``millrace_ledger_up`` is 0 and there are no other series. The number of series is
    proportional to the workloads, plus ten budgets and the hundred oldest runs in flight. ``divergent`` returns whether
    a workload's servers answer with other versions than the ledger's live one, None if unknown.
    """

    def __init__(self, ledger: Ledger, divergent: Callable[[str], bool | None] = lambda _: None) -> None:
        self._ledger = ledger
        self._divergent = divergent

    def collect(self) -> Iterator[Metric]:
        """Yield every gauge with its current value."""
        try:
            families = list(self._read(datetime.now(UTC)))
        except TransientError as error:
            log.warning("%s", error)
            families = []
        yield _gauge("ledger_up", "1 where the ledger answers.", (), {(): float(bool(families))})
        yield from families

    def _read(self, now: datetime) -> Iterator[Metric]:
        views = self._ledger.views
        dag_ids = views.dags()
        yield from _recent(views.recent(dag_ids, now - RECENT))
        ended = views.recent_reasons(dag_ids, now - RECENT)
        yield _gauge(
            "recent_run_ends",
            "Runs that began within seven days and have ended, by why they did.",
            ("workload", "reason_code"),
            {(row["workload"], row["reason_code"]): row["runs"] for row in ended},
        )
        yield from _in_flight(views.in_flight(dag_ids))
        yield from _newest([views.runs(RunFilter((dag_id,)), limit=NEWEST_RUNS) for dag_id in dag_ids])
        divergence = {(dag_id,): self._divergent(dag_id) for dag_id in dag_ids}
        yield _gauge(
            "serving_divergent",
            "1 where something else answers than what the ledger calls live, or nothing does.",
            ("workload",),
            {key: float(divergent) for key, divergent in divergence.items() if divergent is not None},
        )
        yield _gauge(
            "live_version_promoted_timestamp_seconds",
            "When the version that answers went live.",
            ("workload", "version"),
            {(row["workload"], row["version"]): _unix(row["promoted_at"]) for row in views.live_models(dag_ids)},
        )
        in_use = written(now - BUDGET_IN_USE)
        yield _gauge(
            "budget_spent_ratio",
            "What runs took of a budget that one asked within a day: measured, and predicted while they run.",
            ("workload", "budget", "unit", "lifted"),
            {
                (row["dag_id"], row["name"], row["unit"], "true" if row["lifted_by"] else "false"): row["spent"]
                / row["amount"]
                for row in views.budgets(dag_ids)
                if row["amount"] and (row["taken_at"] or "") >= in_use
            },
        )


def serve(ledger: Ledger, host: str, port: int, secrets: Path | None, divergent: Callable[[str], bool | None]) -> None:
    """Serve /metrics until the process ends, over TLS if ``secrets`` has tls.crt and tls.key.

    Raises TransientError for an address that is taken.
    """
    tls = {"certfile": f"{secrets / 'tls.crt'}", "keyfile": f"{secrets / 'tls.key'}"} if secrets else {}
    registry = CollectorRegistry()
    registry.register(LedgerCollector(ledger, divergent))
    try:
        _, thread = start_http_server(port, host, registry, **tls)
    except OSError as error:
        raise TransientError(
            f"cannot listen: {error.strerror}",
            where=f"{host}:{port}",
            rule="one server an address",
            remedy="give another --port",
        ) from error
    thread.join()


def _recent(rows: list[Row]) -> Iterator[Metric]:
    runs: Counter[tuple[str, ...]] = Counter()
    seconds, seen, joules = runs.copy(), runs.copy(), runs.copy()
    for row in rows:
        workload = row["workload"]
        runs[workload, row["state"]] += row["runs"]
        if row["state"] == "running":
            continue
        if row["seconds"] is not None:
            seconds[workload,] += row["seconds"]
            seen[workload,] += row["sensor_seconds"] or 0
        if row["joules"] is not None:
            joules[workload, row["energy_method"]] += row["joules"]
    yield _gauge("recent_runs", "Runs that began within seven days.", ("workload", "state"), runs)
    yield _gauge("recent_run_seconds", "What steps took of those that ended.", ("workload",), seconds)
    yield _gauge("recent_run_sensor_seconds", "How much of it energy sensors saw.", ("workload",), seen)
    yield _gauge("recent_run_joules", "What they used, by who measured it.", ("workload", "energy_method"), joules)


def _in_flight(rows: list[Row]) -> Iterator[Metric]:
    heard: dict[tuple[str, ...], float] = {}
    predicted = heard.copy()
    for row in rows:
        key = (row["workload"], row["run_id"])
        heard[key] = _unix(row["last_heard_at"])
        if row["predicted_seconds"] is not None:
            predicted[key] = row["predicted_seconds"]
    labels = ("workload", "run_id")
    yield _gauge("run_last_progress_timestamp_seconds", "When a run in flight last did something.", labels, heard)
    yield _gauge("run_predicted_seconds", "What its plan says that all of its steps take.", labels, predicted)


def _newest(runs_of_dags: list[list[Row]]) -> Iterator[Metric]:
    """Yield gauges from each DAG's newest runs: last complete run, last verdict, last end in each state."""
    figures: dict[str, dict[tuple[str, ...], float]] = {
        f"{kind}_{name}": {} for name in _FIGURES for kind in ("predicted", "measured")
    }
    verdicts: dict[tuple[str, ...], float] = {}
    ends = verdicts.copy()
    for rows in runs_of_dags:
        whole = next((row for row in rows if row["seconds_error"] is not None), None)
        judged = next((row for row in rows if row["decision"]), None)
        for name, values in figures.items():
            if whole and whole[name] is not None:
                values[whole["workload"],] = whole[name]
        if judged:
            verdicts[judged["workload"], judged["decision"]] = 1.0
        for row in rows:
            if row["finished_at"]:
                key = (row["workload"], row["state"])
                ends[key] = max(ends.get(key, 0.0), _unix(row["finished_at"]))
    for name, values in figures.items():
        yield _gauge(f"last_run_{name}", "Of the newest run that did all that was predicted.", ("workload",), values)
    yield _gauge("last_verdict_info", "The newest verdict of the gate.", ("workload", "outcome"), verdicts)
    yield _gauge(
        "last_run_end_timestamp_seconds",
        f"When a run last ended so, of the {NEWEST_RUNS} newest.",
        ("workload", "state"),
        ends,
    )


def _gauge(name: str, says: str, labels: tuple[str, ...], values: Values) -> Metric:
    family = GaugeMetricFamily(f"millrace_{name}", says, labels=labels)
    for key, value in values.items():
        family.add_metric(key, value)
    return family


def _unix(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
