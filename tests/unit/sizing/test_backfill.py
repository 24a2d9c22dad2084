"""A backfill's price from its days and its trainings' plans."""

from collections.abc import Callable
from datetime import date, timedelta

import pytest

from millrace.contracts.data import LengthHistogram, Profile
from millrace.contracts.errors import BadInputError
from millrace.contracts.measurement import Hardware
from millrace.contracts.plan import Plan
from millrace.sizing.backfill import KWH, BackfillPrice, Delivery, in_unit, price_backfill, rates, resized
from millrace.sizing.catalogue import Site
from millrace.sizing.estimate import data_walls

MakePlan = Callable[..., Plan]
SIZE = 60_000_000
FIRST = date(2024, 1, 1)
PRICED = Site(name="north", pue=1.5, price_per_kwh=0.4, currency="EUR", gco2e_per_kwh=300)


def days(count: int, absent: int = 0) -> list[Delivery]:
    return [Delivery(FIRST + timedelta(days=index), SIZE if index >= absent else None) for index in range(count)]


@pytest.fixture
def priced(machine: Hardware) -> Callable[..., BackfillPrice]:
    def price(deliveries: list[Delivery], trainings: list[Plan], **given: object) -> BackfillPrice:
        settings = {"hardware": machine, "site": PRICED, "max_active_runs": 8, **given}
        return price_backfill(deliveries, trainings, **settings)  # type: ignore[arg-type]

    return price


def test_a_day_without_arrivals_is_a_run_that_takes_nothing(priced: Callable[..., BackfillPrice]) -> None:
    some, more = priced(days(3), []), priced(days(5, absent=2), [])
    assert (more.runs, more.without_data, more.trainings) == (5, 2, 0)
    assert more.joules == some.joules
    assert more.gpu_hours.p50 == 0


def test_data_runs_go_side_by_side_and_trainings_one_after_the_other(
    priced: Callable[..., BackfillPrice], plan: MakePlan
) -> None:
    one = sum(data_walls(SIZE).values())
    assert priced(days(6), [], max_active_runs=1).seconds.p50 == pytest.approx(6 * one)
    assert priced(days(6), [], max_active_runs=3).seconds.p50 == pytest.approx(2 * one)
    plans = [plan(), plan()]
    alone = plans[0].seconds.p50 - plans[0].seconds_by_step["ingest"].p50 - plans[0].seconds_by_step["validate"].p50
    assert priced(days(6), plans, max_active_runs=6).seconds.p50 == pytest.approx(one + 2 * alone)


def test_the_price_of_one_day_that_trains_is_its_plans(
    priced: Callable[..., BackfillPrice], plan: MakePlan, machine: Hardware
) -> None:
    whole = plan(bytes=SIZE, site=PRICED)
    found = priced(days(1), [whole])
    assert found.joules.p50 == pytest.approx(whole.joules.p50, rel=0.01)
    assert found.seconds.p50 == pytest.approx(whole.seconds.p50)
    assert found.cost is not None
    assert whole.cost is not None
    assert found.cost.p50 == pytest.approx(whole.cost.p50, rel=0.01)
    assert found.currency == "EUR"


def test_gpu_hours_count_every_worker(priced: Callable[..., BackfillPrice], plan: MakePlan, machine: Hardware) -> None:
    gpu = machine.model_copy(update={"gpus": 4, "gpu": "G"})
    alone, pair = plan(hardware=gpu), plan(hardware=gpu, workers=2)
    found = priced(days(1), [pair], hardware=gpu)
    assert found.gpu_hours.p50 == pytest.approx(pair.seconds_by_step["train"].p50 * 2 * 4 / 3600)
    assert pair.seconds_by_step["train"].p50 < alone.seconds_by_step["train"].p50


def test_without_rates_money_and_carbon_are_unknown(priced: Callable[..., BackfillPrice], plan: MakePlan) -> None:
    found = priced(days(2), [plan()], site=Site(name="local"))
    assert (found.cost, found.currency, found.gco2e) == (None, None, None)


@pytest.mark.parametrize("unit", ["EUR", KWH])
def test_a_units_rates_make_the_price_of_what_was_measured(
    priced: Callable[..., BackfillPrice], machine: Hardware, unit: str
) -> None:
    rented = machine.model_copy(update={"price_per_hour": 2.0})
    found = priced(days(1), [], hardware=rented)
    per_joule, per_second = rates(unit, rented, PRICED)
    measured = found.joules.p50 * per_joule + found.seconds.p50 * per_second
    assert in_unit(found, unit).p50 == pytest.approx(measured)


def test_a_budget_in_money_needs_the_sites_rates(priced: Callable[..., BackfillPrice]) -> None:
    with pytest.raises(BadInputError, match="no price in EUR"):
        in_unit(priced(days(1), [], site=Site(name="local")), "EUR")
    with pytest.raises(BadInputError, match="no price in USD"):
        in_unit(priced(days(1), []), "USD")


def test_a_profile_is_resized_in_all_its_counts() -> None:
    profile = Profile(
        rows=100,
        bytes=1000,
        rows_by_split={"train": 80, "test": 20},
        label_counts={"a": 40},
        token_lengths=LengthHistogram(upper=(16, 64), counts=(30, 70)),
    )
    twice = resized(profile, 2000)
    assert (twice.rows, twice.rows_by_split, twice.label_counts) == (200, {"train": 160, "test": 40}, {"a": 80})
    assert twice.token_lengths is not None
    assert twice.token_lengths.counts == (60, 140)
