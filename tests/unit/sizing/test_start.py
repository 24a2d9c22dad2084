"""The best start of a run that may wait, by hand and against a search of every minute."""

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from millrace.contracts.plan import Plan
from millrace.contracts.workload import StartPolicy, Workload
from millrace.sizing.catalogue import Site
from millrace.sizing.prices import Forecast, RateForecasts
from millrace.sizing.start import Stretch, best_start, power_profile

MIDNIGHT = datetime(2024, 1, 15, tzinfo=UTC)
HOUR, KWH = timedelta(hours=1), 3.6e6
# cheap from 03:00 to 05:00
NIGHT = (300.0, 300.0, 300.0, 100.0, 100.0, *(400.0,) * 19)
NORTH = Site(name="north", pue=1.5, price_per_kwh=0.4, currency="EUR", gco2e_per_kwh=NIGHT)

MakePlan = Callable[..., Plan]


def forecast(*rates: float, first: datetime = MIDNIGHT) -> Forecast:
    return Forecast(first, rates)


def test_by_hand_an_hour_and_a_half_of_a_kilowatt_goes_into_the_two_clean_hours() -> None:
    found = best_start(MIDNIGHT, MIDNIGHT + 6 * HOUR, [Stretch(5400, 1000)], forecast(*NIGHT))
    # 1.5 kWh at 300 g from midnight, at 100 g from 03:00 (from any moment to 03:30 on: the earliest counts)
    assert (found.at, found.takes, found.earliest_takes) == (MIDNIGHT + 3 * HOUR, 150.0, 450.0)
    assert found.saves_share == pytest.approx(2 / 3)


def test_by_hand_parts_of_hours_count_by_their_share() -> None:
    begin = MIDNIGHT + timedelta(minutes=45)
    found = best_start(begin, begin, [Stretch(3600, 2000)], forecast(100, 500))
    assert found.earliest_takes == pytest.approx(2 * (100 * 0.25 + 500 * 0.75))


def test_by_hand_the_part_that_draws_most_gets_the_clean_hour() -> None:
    profile = [Stretch(1800, 100), Stretch(3600, 4000)]
    found = best_start(
        MIDNIGHT, MIDNIGHT + 9 * HOUR, profile, forecast(300, 300, 100, 300, 300, 300, 300, 300, 300, 300, 300)
    )
    assert found.at == MIDNIGHT + timedelta(hours=1, minutes=30)
    assert found.takes == pytest.approx(0.05 * 300 + 4 * 100)


def test_as_clean_an_hour_later_is_not_waited_for() -> None:
    found = best_start(MIDNIGHT, MIDNIGHT + 9 * HOUR, [Stretch(600, 50)], forecast(*(100.0,) * 24))
    assert (found.at, found.saves_share) == (MIDNIGHT, 0)


@pytest.mark.parametrize(("least", "hours"), [(0.019, 2), (0.021, 0)])
def test_too_little_is_not_waited_for(least: float, hours: int) -> None:
    found = best_start(MIDNIGHT, MIDNIGHT + 9 * HOUR, [Stretch(3600, 50)], forecast(100, 100, 98, 100, 100), least)
    assert found.at == MIDNIGHT + hours * HOUR


def test_where_a_grid_pays_the_run_goes_there() -> None:
    found = best_start(MIDNIGHT, MIDNIGHT + 3 * HOUR, [Stretch(3600, 1000)], forecast(-0.1, 0.2, -0.3, 0.1))
    assert (found.at, found.takes) == (MIDNIGHT + 2 * HOUR, pytest.approx(-0.3))
    assert found.saves_share == pytest.approx(2)


@pytest.mark.parametrize("seed", range(40))
def test_nothing_a_minute_apart_is_better_and_it_is_never_after_the_latest_start(seed: int) -> None:
    dice = random.Random(seed)
    hourly = forecast(*(dice.choice((50.0, 100.0, dice.uniform(10, 500))) for _ in range(30)))
    earliest = MIDNIGHT + timedelta(minutes=dice.randrange(0, 300))
    latest = earliest + timedelta(minutes=dice.randrange(-60, 900))
    profile = [Stretch(60.0 * dice.randrange(1, 400), dice.uniform(10, 900)) for _ in range(dice.randrange(1, 4))]
    found = best_start(earliest, latest, profile, hourly)
    assert earliest <= found.at <= max(earliest, latest)
    assert found.at + timedelta(seconds=sum(each.seconds for each in profile)) <= hourly.end
    minute = earliest
    while minute <= min(latest, hourly.end - timedelta(seconds=sum(each.seconds for each in profile))):
        alone = best_start(minute, minute, profile, hourly).takes
        assert found.takes <= alone * (1 + 1e-9)
        assert minute >= found.at or alone > found.takes * (1 + 1e-12), "an earlier start takes no more"
        minute += timedelta(minutes=1)


def waiting(workload: Workload, hours: float = 12, prefer: str = "carbon") -> Workload:
    policy = StartPolicy.model_validate({"prefer": prefer, "within_hours": hours})
    return workload.model_copy(update={"timing": policy})


def test_a_plan_without_a_policy_and_one_of_a_run_that_shall_begin_now_are_the_same(
    plan: MakePlan, text_workload: Workload
) -> None:
    assert plan(site=NORTH).start is None
    now = plan(workload=waiting(text_workload), site=NORTH, start="now")
    assert (now.start, now.gco2e) == (None, plan(site=NORTH).gco2e)


def test_a_plan_is_priced_by_the_hours_that_it_waits_for(plan: MakePlan, text_workload: Workload) -> None:
    found, before = plan(workload=waiting(text_workload), site=NORTH), plan(site=NORTH)
    assert found.start is not None
    assert found.start.at == MIDNIGHT + 3 * HOUR
    assert found.start.deadline == MIDNIGHT + 12 * HOUR
    assert found.start.reason == "begins at 2024-01-15 03:00 UTC: 67 % less gCO2e than at once"
    assert found.start.rates == "the catalogue's day"
    profile, done = power_profile(found)
    # by hand: what was done before at 300 g, the rest at 100 g, with the building's share
    rest = sum(each.seconds * each.watts for each in profile)
    assert found.gco2e is not None
    assert found.gco2e.p50 == pytest.approx((done * 300 + rest * 100) * 1.5 / KWH)
    assert found.start.saves == pytest.approx(rest * 200 * 1.5 / KWH)
    assert found.cost is not None
    assert before.cost is not None
    assert found.cost.p50 == pytest.approx(before.cost.p50), "a flat tariff does not change"
    assert found.sha256 != before.sha256


def test_a_plans_profile_adds_up_to_its_joules(plan: MakePlan) -> None:
    found = plan()
    profile, done = power_profile(found)
    assert done + sum(each.seconds * each.watts for each in profile) == pytest.approx(found.joules.p50)
    assert profile[0].watts > profile[1].watts > 0


def test_the_deadline_counts_with_what_nine_runs_in_ten_need(plan: MakePlan, text_workload: Workload) -> None:
    whole = plan()
    before = sum(whole.seconds_by_step[step].p90 for step in ("ingest", "validate", "size"))
    needed = timedelta(seconds=whole.seconds.p90 - before)
    enough, less = ((3 * HOUR + needed + timedelta(seconds=second)) / HOUR for second in (1, -60))
    in_time = plan(workload=waiting(text_workload, enough), site=NORTH)
    assert in_time.start is not None
    assert in_time.start.at == MIDNIGHT + 3 * HOUR
    late = plan(workload=waiting(text_workload, less), site=NORTH)
    assert late.start is not None
    assert late.start.at <= MIDNIGHT + 3 * HOUR - timedelta(seconds=59)
    none = plan(workload=waiting(text_workload, 0.01), site=NORTH)
    assert none.start is not None
    assert none.start.at == MIDNIGHT
    assert "the P90 needs" in none.start.reason


def test_without_any_rate_it_begins_at_once_and_says_why(plan: MakePlan, text_workload: Workload) -> None:
    found = plan(workload=waiting(text_workload, prefer="money"))
    assert found.start is not None
    assert (found.start.at, found.start.saves, found.cost) == (MIDNIGHT, None, None)
    assert "no price_per_kwh" in found.start.rates


def test_a_forecast_goes_before_the_catalogue_where_it_has_the_hours(plan: MakePlan, text_workload: Workload) -> None:
    clean_at_five = forecast(*(300.0,) * 5, 20.0, *(300.0,) * 6)
    found = plan(workload=waiting(text_workload), site=NORTH, forecasts=RateForecasts("file:///f.json", clean_at_five))
    assert found.start is not None
    assert (found.start.at, found.start.rates) == (MIDNIGHT + 5 * HOUR, "the forecast file:///f.json")


@pytest.mark.parametrize(
    ("forecasts", "why"),
    [
        (RateForecasts("file:///f.json", problem="it cannot be read (FileNotFoundError)"), "it cannot be read"),
        (RateForecasts("file:///f.json", forecast(20, 20, first=MIDNIGHT - 2 * HOUR)), "does not have every hour"),
        (RateForecasts("file:///f.json", None, forecast(*(1.0,) * 24)), "it has no gco2e_per_kwh"),
    ],
)
def test_a_forecast_that_is_no_help_leaves_the_catalogues_day_and_the_reason(
    plan: MakePlan, text_workload: Workload, forecasts: RateForecasts, why: str
) -> None:
    found = plan(workload=waiting(text_workload), site=NORTH, forecasts=forecasts)
    assert found.start is not None
    assert found.start.at == MIDNIGHT + 3 * HOUR
    assert found.start.rates.startswith("the catalogue's day, since")
    assert why in found.start.rates
