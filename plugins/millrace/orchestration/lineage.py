"""Run facets for OpenLineage events with a task's and a run's measurements: ``[openlineage] custom_run_facets``.

Only the OpenLineage provider imports this module, where it is installed.
"""

from typing import Any

import attrs
from openlineage.client.generated.base import RunFacet

from millrace.ledger.database import Row
from millrace.settings import load_settings

_FINISH = "finish"


@attrs.define
class TaskEnergyRunFacet(RunFacet):  # type: ignore[misc] # the provider is not in this environment
    """Totals over the task's attempts, lost ones included, with the highest peak memory; None if no attempt has it."""

    seconds: float | None
    joules: float | None
    energy_method: str | None
    peak_memory_bytes: int | None


@attrs.define
class RunEnergyRunFacet(RunFacet):  # type: ignore[misc]
    """The run's row of the ledger's view ``run_summary``, with predicted and measured values."""

    run_summary: dict[str, Any]


def run_facets(task_instance: Any, state: Any) -> dict[str, RunFacet] | None:  # noqa: ANN401 - Airflow's own
    """Return the facet ``millrace_task`` for an ended task with attempts, or ``millrace_run`` for the task ``finish``.

    None for tasks of other DAGs, and while a task runs.
    """
    if state == "running":
        return None
    ledger = load_settings().ledger()
    rows = ledger.run_summary(dag_id=task_instance.dag_id, run_id=task_instance.run_id, limit=1)
    if not rows:
        return None
    if task_instance.task_id == _FINISH:
        return {"millrace_run": RunEnergyRunFacet(run_summary=dict(rows[0]))}
    tries = ledger.tries(task_instance.dag_id, task_instance.run_id, rows[0]["repeat"])
    own = [
        row for row in tries if (row["task_id"], row["map_index"]) == (task_instance.task_id, task_instance.map_index)
    ]
    return {"millrace_task": _sum(own)} if own else None


def _sum(tries: list[Row]) -> TaskEnergyRunFacet:
    def known(name: str) -> list[Any]:
        return [row[name] for row in tries if row[name] is not None]

    def total(name: str) -> float | None:
        return sum(known(name)) if known(name) else None

    methods = set(known("energy_method"))
    return TaskEnergyRunFacet(
        seconds=total("wall_seconds"),
        joules=total("joules"),
        energy_method=methods.pop() if len(methods) == 1 else "mixed" if methods else None,
        peak_memory_bytes=max(known("peak_memory_bytes"), default=None),
    )
