"""The price of a long backfill is bounded, kept for a moment, and worked out for few at once."""

import re
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from threading import Event, Thread
from types import SimpleNamespace
from typing import Any

import pendulum
import pytest
from airflow.models.serialized_dag import SerializedDagModel
from airflow.timetables.base import DagRunInfo
from airflow.timetables.interval import CronDataIntervalTimetable
from fastapi import HTTPException
from fastapi.testclient import TestClient

from millrace.contracts.data import Profile
from millrace.contracts.workload import Workload
from millrace.ledger.ledger import Ledger
from millrace.pages import backfills, workloads
from millrace.pages.slow import FewAtOnce, Kept
from millrace.pipeline import trigger_form
from millrace.planning import backfill_price
from millrace.storage import files
from tests.unit.pages.conftest import Everyone

FIRST, DAYS = date(2016, 1, 1), 3653
TEN_YEARS = f"/sub/millrace/backfill?dag_id=flowers&first={FIRST}&last={FIRST + timedelta(days=DAYS - 1)}"
PROFILE = Profile(
    rows=1000, bytes=10**6, rows_by_split={"train": 800, "test": 100, "validation": 100}, label_counts={"rose": 1000}
)


@pytest.fixture
def page(
    client: TestClient, workload: Workload, manager: Everyone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[TestClient]:
    """Of the workload "flowers", which has arrived on every tenth day of ten years."""
    manager.readable.add("flowers")
    form = {name: SimpleNamespace(value=param.value) for name, param in trigger_form(workload).items()}
    monkeypatch.setattr(workloads, "find", lambda session, dag_id: (workload, form))
    infos = [
        DagRunInfo.interval(begin, begin + timedelta(days=1))
        for begin in (pendulum.datetime(2016, 1, 1) + timedelta(days=number) for number in range(DAYS))
    ]
    monkeypatch.setattr(backfills, "_do_dry_run", lambda **_: iter(infos))
    timetable = CronDataIntervalTimetable("0 0 * * *", timezone="UTC")
    dag = SimpleNamespace(timetable=timetable, iter_dagrun_infos_between=lambda begin, end: iter(infos))
    monkeypatch.setattr(SerializedDagModel, "get_dag", lambda dag_id, session: dag)
    folder = tmp_path / "arrivals" / "flowers"
    folder.mkdir(parents=True)
    for number in range(0, DAYS, 10):
        (folder / f"{FIRST + timedelta(days=number)}.csv").write_text("a day")
    monkeypatch.setattr(backfills, "_PRICES", Kept(most=2, seconds=30))
    return client


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the store and the ledger are asked for."""
    asked: list[str] = []

    def noted(module: Any, name: str, real: Any) -> None:
        monkeypatch.setattr(module, name, lambda *some, **named: asked.append(name) or real(*some, **named))

    for name in ("exists", "size_bytes", "names", "sizes", "read_bytes"):
        noted(files, name, getattr(files, name))
    noted(Ledger, "profile", lambda self, workload, **_: PROFILE)
    return asked


def test_ten_years_of_days_take_one_listing_and_are_kept_for_the_next_viewer(
    page: TestClient, asked: list[str]
) -> None:
    text = page.get(f"{TEN_YEARS}&train=never").text
    assert re.search(r"Runs.{0,80}?\b3,653\b.{0,80}?3,287 of them without data", text, re.DOTALL)
    assert asked == ["sizes"]
    assert page.get(f"{TEN_YEARS}&train=never").status_code == 200
    assert asked == ["sizes"]
    page.get(f"{TEN_YEARS}&train=never&reprocess=completed")
    assert asked == ["sizes", "sizes"], "another question"


def test_of_hundreds_of_trainings_few_are_planned_and_the_page_says_so(page: TestClient, asked: list[str]) -> None:
    text = page.get(f"{TEN_YEARS}&train=always").text
    assert "of 366 trainings 16 were planned" in text
    assert re.search(r"\b366 train", text)
    assert len(asked) <= 20, asked


def test_more_runs_than_a_page_may_ask_airflow_for_are_refused(
    page: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backfills, "_MOST_RUNS", DAYS - 1)
    answer = page.get(TEN_YEARS)
    assert answer.status_code == 422
    assert "more than 3,652 runs: ask for fewer days" in answer.text


def test_who_comes_while_as_many_as_may_are_worked_out_is_told_so_and_others_are_answered(
    page: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backfills, "_PLACES", FewAtOnce(1, "prices of backfills"))
    begun, go_on, price = Event(), Event(), backfill_price.price

    def slow(*some: Any) -> Any:
        begun.set()
        assert go_on.wait(30)
        return price(*some)

    monkeypatch.setattr(backfill_price, "price", slow)
    answers: list[int] = []
    first = Thread(target=lambda: answers.append(page.get(f"{TEN_YEARS}&train=never").status_code))
    first.start()
    try:
        assert begun.wait(30)
        second = page.get(f"{TEN_YEARS}&train=never&reprocess=failed")
        assert (second.status_code, second.headers["Retry-After"]) == (503, "5")
        assert "1 prices of backfills are being worked out already" in second.text
        assert page.get("/sub/millrace/runs").status_code == 200
    finally:
        go_on.set()
        first.join(30)
    assert answers == [200]
    assert page.get(f"{TEN_YEARS}&train=never&reprocess=failed").status_code == 200, "the place is free again"


def test_a_place_is_given_back_by_who_failed_in_it() -> None:
    places = FewAtOnce(1, "answers")
    with pytest.raises(KeyError), places.place():
        raise KeyError
    with places.place(), pytest.raises(HTTPException), places.place():
        pass


def test_answers_are_kept_for_a_while_and_few_of_them() -> None:
    now = 0.0
    kept: Kept[int] = Kept(most=2, seconds=30, clock=lambda: now)
    made: list[int] = []

    def get(key: int) -> int:
        return kept.get(key, lambda: made.append(key) or len(made))

    assert [get(1), get(1), get(2), get(3), get(2)] == [1, 1, 2, 3, 2]
    assert get(1) == 4, "the oldest went for a third"
    now = 31.0
    assert get(1) == 5


@pytest.mark.parametrize(("count", "most", "places"), [(3, 16, [0, 1, 2]), (100, 4, [24, 49, 74, 99]), (0, 4, [])])
def test_planned_trainings_are_spread_and_the_others_count_as_the_next(
    count: int, most: int, places: list[int]
) -> None:
    assert backfill_price._spread(count, most) == places
    plans: Any = [f"plan {at}" for at in places]
    each = backfill_price._for_each(count, places, plans)
    assert len(each) == count
    assert [each[at] for at in places] == plans
    if count == 100:
        assert each[25] == "plan 49"
