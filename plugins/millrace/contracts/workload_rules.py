"""What a declared workload keeps beyond the contracts themselves: told when its DAG is parsed, before anything runs."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial

from millrace.contracts import dataset_rules, trainers
from millrace.contracts.data import Dataset
from millrace.contracts.errors import BadInputError
from millrace.contracts.mistakes import Mistake, written
from millrace.contracts.workload import Workload

Rule = Callable[[Workload], Iterable[Mistake]]
_MORE_PRESETS = ("@quarterly",)  # Airflow's, that croniter does not know


def require_sound(workload: Workload) -> None:
    """Raises BadInputError, with every mistake, for a workload that could not run as it is declared."""
    require(workload, RULES)


def require(workload: Workload, rules: Sequence[Rule]) -> None:
    """Raises BadInputError, with every mistake, for a workload that does not keep these rules."""
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
    from croniter import CroniterError, croniter  # type: ignore[import-untyped]  # what judges a schedule has Airflow

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
