"""Checks of a declared workload beyond its contracts, made when its DAG is parsed, before anything runs."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial

from millrace.contracts import dataset_rules, trainers
from millrace.contracts.data import Dataset
from millrace.contracts.errors import BadInputError
from millrace.contracts.mistakes import Mistake, written
from millrace.contracts.workload import Workload

Rule = Callable[[Workload], Iterable[Mistake]]
_MORE_PRESETS = ("@quarterly",)  # a preset of Airflow's that croniter does not know


def require_sound(workload: Workload) -> None:
    """Raise BadInputError, with every mistake, if the workload cannot run as declared."""
    require(workload, RULES)


def require(workload: Workload, rules: Sequence[Rule]) -> None:
    """Raise BadInputError, with every mistake, if the workload violates these rules."""
    found = [mistake for rule in rules for mistake in rule(workload)]
    if not found:
        return
    first, others = found[0], "".join(f"\n{mistake}" for mistake in found[1:])
    where = f"workload.{written(first.place)}"
    raise BadInputError(first.what, where=where, rule=first.rule, remedy=first.remedy + others)


def _of_its_dataset(rule: Callable[[Dataset], Iterable[Mistake]], workload: Workload) -> Iterable[Mistake]:
    for each in rule(workload.dataset):
        yield Mistake(("dataset", *each.place), each.what, each.rule, each.remedy)


def _schedule_is_cron(workload: Workload) -> Iterable[Mistake]:
    from croniter import CroniterError, croniter  # type: ignore[import-untyped]  # Airflow brings croniter

    text = workload.schedule
    try:
        if text not in (None, *_MORE_PRESETS):
            croniter(text)
    except CroniterError:
        yield Mistake(
            ("schedule",),
            f"{text!r} is no cron expression",
            "five fields of cron text, in UTC, or @hourly, @daily, @weekly, @monthly",
            'write one like "@daily" or "0 6 * * 1-5"; a timetable or an asset goes to build_dag(workload, schedule=…)',
        )


RULES: tuple[Rule, ...] = (
    _schedule_is_cron,
    *(partial(_of_its_dataset, rule) for rule in dataset_rules.DECLARATION_RULES),
    *trainers.RULES,
)
