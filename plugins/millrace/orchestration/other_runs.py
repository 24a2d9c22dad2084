"""Count runs of the same workload in flight for other days, for any kind of schedule."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice

from airflow.sdk import Context

from millrace.ledger.ledger import Ledger
from millrace.orchestration.schedules import Slot, of_run, slots
from millrace.policies.newest_run import LOOK_AHEAD_DAYS
from millrace.runs.run import Run

_SETTLED = ("committed", "absent", "failed")
_IN_FLIGHT = ["queued", "running"]
_LOOK_BACK_DAYS = 400
_MOST_RUNS = 500  # in one request to Airflow


def earlier_in_flight(run: Run, ledger: Ledger, context: Context) -> int:
    """Return the number of runs in flight whose days lie before this run's first day and are not all settled.

    Settled days are committed, absent or failed.
    """
    last = run.window.first - timedelta(days=1)
    first = last - timedelta(days=_LOOK_BACK_DAYS)
    states = ledger.settled_partitions(run.workload.name, first, last, run.generation)

    def owes(slot: Slot) -> bool:
        return slot.window.last <= last and any(states.get(day) not in _SETTLED for day in slot.window.days)

    made = slots(of_run(context, run.workload), _midnight(first), _midnight(run.window.first))
    if made is None:
        rows = ledger.open_runs(run.workload.name)
        ended = {day.isoformat() for day, state in states.items() if state in _SETTLED}
        return _counted(run, context, [row["run_id"] for row in rows if row["partition_last"] <= f"{last}"
                                       and not {row["partition_first"], row["partition_last"]} <= ended])  # fmt: skip
    dates = [slot.logical_date for slot in made if owes(slot)]
    if not dates:
        return 0
    return int(context["ti"].get_dr_count(dag_id=run.dag_id, logical_dates=dates[-_MOST_RUNS:], states=_IN_FLIGHT))


def later_in_flight(run: Run, ledger: Ledger, context: Context, states: Mapping[date, str]) -> int:
    """Return the number of backfill runs in flight that may still publish a day after this run's last day.

    ``states`` are the ledger's states of later days.
    """
    last = run.window.last

    def may(slot: Slot) -> bool:
        return any(day > last and day not in states for day in slot.window.days)

    until = last + timedelta(days=LOOK_AHEAD_DAYS)
    made = slots(of_run(context, run.workload), _midnight(run.window.first), _midnight(until))
    if made is None:
        rows = ledger.open_runs(run.workload.name)
        later = [row["run_id"] for row in rows if row["partition_last"] > f"{last}" and row["run_type"] == "backfill"]
        return _counted(run, context, later)
    # Airflow names a run after its type and the end of its interval. This run may have another name, since a backfill
    # takes over runs that were triggered by hand or by the schedule
    named = [f"backfill__{slot.run_after.isoformat()}" for slot in islice(filter(may, made), _MOST_RUNS)]
    return _counted(run, context, named)


def _counted(run: Run, context: Context, run_ids: list[str]) -> int:
    others = [run_id for run_id in run_ids if run_id != run.run_id]
    if not others:
        return 0
    return int(context["ti"].get_dr_count(dag_id=run.dag_id, run_ids=others, states=_IN_FLIGHT))


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
