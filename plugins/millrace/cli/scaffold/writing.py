"""Write a new workload's file."""

import keyword
from datetime import date, timedelta
from pathlib import Path

from millrace.cli.scaffold.from_file import workload_from
from millrace.contracts.base import Contract, Name
from millrace.contracts.errors import BadInputError
from millrace.contracts.names import workload_name

_TEMPLATE = '''"""Airflow DAG `{name}`: say in a sentence what it predicts, from what, and for whom."""

from datetime import date

from millrace.contracts.data import Column, Dataset, Source, Split, Target
from millrace.contracts.workload import GatePolicy, Training, Workload
from millrace.pipeline import build_dag

dag = build_dag(
    Workload(
        name="{name}",
        description="Say what it predicts.",
        owner="ml-platform",
        team="{name}",
        start=date({start:%Y, %-m, %-d}),
        dataset=Dataset(
            # one file a day; {{arrivals}} is MILLRACE_ARRIVALS_URI; .gz and .zst are read too
            source=Source(uri_template="{{arrivals}}/{name}/{{partition}}.csv", format="csv"),
            columns=(
                Column(name="id", type="int64", minimum=0),
                Column(name="amount", type="float64"),
                Column(name="duration", type="float64", minimum=0),
                Column(name="label", type="string"),
            ),
            features=("amount", "duration"),
            target=Target(column="label", kind="single_label", labels=("no", "yes")),
            split=Split(key="id"),
            unique_by=("id",),
        ),
        training=Training(trainer="mlp_classifier", epochs=5, batch_size=64, learning_rate=1e-2),
        gate=GatePolicy(metric="macro_f1", quality_floor=0.5),
    )
)
'''


class _NewWorkload(Contract):
    name: Name


def write_workload(name: str, dags: Path, sample: Path | None = None) -> Path:
    """Write ``<dags>/<name>.py`` from a template or from the first rows of ``sample``; return its path.

    Raises BadInputError if the name is invalid or taken, or if no workload can be made from the sample.
    """
    _check_name(name)
    path = dags / f"{name}.py"
    if path.exists():
        raise BadInputError(
            "the workload exists", where=str(path), rule="one file a workload", remedy="take another name"
        )
    # the start is at most yesterday, so that at least one day can be run
    start = (date.today() - timedelta(days=1)).replace(day=1)
    text = _TEMPLATE.format(name=name, start=start) if sample is None else workload_from(name, sample, start)
    dags.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def _check_name(name: str) -> None:
    try:
        _NewWorkload(name=name)
        sound = name.isidentifier() and not keyword.iskeyword(name)
    except ValueError:
        sound = False
    if not sound:
        made = workload_name(name)
        usable = made is not None and made.isidentifier() and not keyword.iskeyword(made)
        raise BadInputError(
            f"{name!r} cannot be a workload's name",
            where="NAME",
            rule="lower-case letters, digits and '_', at most 63, beginning with a letter and not ending with '_': "
            "it is also the name of a Python file, a table and a part of URLs",
            remedy=f"NAME={made} would do" if usable else "take another name, such as NAME=churn",
        )
