"""A sound workload's file, and how a test breaks it."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

SOUND = '''"""Airflow DAG `orders`: who will order again."""

from datetime import date, timedelta

from millrace.contracts.data import Column, Dataset, Dialect, Expectations, Marker, Source, Split, Target
from millrace.contracts.workload import GatePolicy, ServingPolicy, StartPolicy, Training, Workload
from millrace.pipeline import build_dag

COLUMNS = (
    Column(name="id", type="int64", minimum=0),
    Column(name="amount", type="float64"),
    Column(name="price", type="decimal(10,2)", minimum=0),
    Column(name="city", type="string"),
    Column(name="part", type="string"),
    Column(name="tags", type="list<string>", nullable=True),
)

dag = build_dag(
    Workload(
        name="orders",
        description="Who will order again.",
        owner="ml-platform",
        team="orders",
        start=date(2026, 1, 1),
        dataset=Dataset(
            source=Source(
                uri_template="{arrivals}/orders/{partition}.csv",
                format="csv",
                dialect=Dialect(null_words=("", "NA")),
            ),
            columns=(
                *COLUMNS,
                Column(name="again", type="string", max_length=3),
            ),
            features=("amount", "price"),
            target=Target(
                column="again",
                kind="single_label",
                labels=("no", "yes"),
            ),
            split=Split(key="id"),
            unique_by=("id",),
            expectations=Expectations(min_rows=10, max_rows=1000),
        ),
        training=Training(
            trainer="mlp_classifier",
            epochs=5,
            options={"hidden": "32"},
        ),
        gate=GatePolicy(quality_floor=0.5),
    )
)
'''

Write: TypeAlias = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write orders.py with each ``old`` replaced by ``new``, or another file with its whole text."""

    def written(*edits: tuple[str, str], name: str = "orders", text: str | None = None) -> Path:
        made = SOUND if text is None else text
        for old, new in edits:
            assert made.count(old) == 1, old
            made = made.replace(old, new)
        file = tmp_path / f"{name}.py"
        file.write_text(made)
        return file

    return written
