"""Writes a new workload's one file."""

from datetime import date
from pathlib import Path

from millrace.contracts.base import Contract, Name
from millrace.contracts.errors import BadInputError

_DAGS = Path(__file__).resolve().parents[2] / "dags"

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


def write_workload(name: str, dags: Path = _DAGS) -> Path:
    """Write ``<dags>/<name>.py``. Raises BadInputError for an unsafe or taken name."""
    try:
        _NewWorkload(name=name)
        if not name.isidentifier():
            raise ValueError(f"{name!r} is not a Python module's name")
    except ValueError as error:
        raise BadInputError(
            "that name cannot be used",
            where=f"NAME={name}",
            rule=str(error),
            remedy="use lower-case letters, digits and '_', beginning with a letter",
        ) from error
    path = dags / f"{name}.py"
    if path.exists():
        raise BadInputError(
            "the workload exists", where=str(path), rule="one file a workload", remedy="take another name"
        )
    path.write_text(_TEMPLATE.format(name=name, start=date.today().replace(day=1)))
    return path
