"""The plan against measured steps, and the ways in which it must grow."""

from collections.abc import Callable
from datetime import UTC, date, datetime

import pytest

from millrace.contracts.calibration import Calibration
from millrace.contracts.data import DatasetVersion, LengthHistogram, Profile
from millrace.contracts.errors import BadInputError
from millrace.contracts.measurement import Hardware
from millrace.contracts.parameters import Parameters
from millrace.contracts.plan import Plan
from millrace.contracts.traced import TracedLength, TracedModel
from millrace.contracts.workload import Workload
from millrace.sizing.catalogue import Site, hardware
from millrace.sizing.families import trace_request
from millrace.sizing.plan import make_plan, plan_digest

MakePlan = Callable[..., Plan]
PRICED = Site(name="north", pue=1.5, price_per_kwh=0.4, currency="EUR", gco2e_per_kwh=300)

# Measured for this project: seconds of one training step of 32 rows of MiniLM, float32, on two busy cores.
MEASURED_STEP_SECONDS = {32: 0.44, 64: 0.82, 128: 1.67}


@pytest.mark.parametrize(("length", "measured"), MEASURED_STEP_SECONDS.items())
def test_a_training_step_takes_about_what_was_measured(plan: MakePlan, length: int, measured: float) -> None:
    few, many = (plan(train_rows=32 * steps, max_length=length) for steps in (100, 1100))
    step_seconds = (many.seconds_by_step["train"].p50 - few.seconds_by_step["train"].p50) / 1000
    assert step_seconds == pytest.approx(measured, rel=0.15)


def test_the_catalogues_own_entry_is_the_one_that_was_measured(machine: Hardware) -> None:
    found = hardware("auto")
    assert found.gflops_per_core == machine.gflops_per_core
    assert found.active_watts_per_core == machine.active_watts_per_core


def test_training_starts_with_import_and_traces(plan: MakePlan) -> None:
    # TensorFlow's import took 9 to 11 s, the first trace 11 s, that of a second length 7 s.
    one = plan(train_rows=1).seconds_by_step["train"].p50
    two = plan(train_rows=1, lengths=LengthHistogram(upper=(16, 64), counts=(5, 5))).seconds_by_step["train"].p50
    assert 20 < one < 32
    assert 5 < two - one < 8  # less what shorter validation rows save


def test_parameters_and_flops(plan: MakePlan) -> None:
    found = plan(epochs=2)
    assert found.model_parameters == 22_713_216 + 384 * 33 + 33
    by_hand = 2 * 6 * (4 * 384**2 + 2 * 384 * 1536) * 64 + 4 * 6 * 384 * 64**2 + 2 * 384 * 33
    assert found.forward_flops_per_row == pytest.approx(by_hand)
    assert found.training_flops == pytest.approx(3 * by_hand * 3_200 * 2)
    assert found.tokens_per_epoch == 64 * 3_200
    assert found.bottleneck == "compute"


def test_memory_holds_states_and_activations(plan: MakePlan) -> None:
    small, large = plan(batch_size=32), plan(batch_size=64)
    activations = large.peak_memory_bytes.p50 - small.peak_memory_bytes.p50
    assert activations == pytest.approx(1.6 * 32 * 2 * 6 * 64 * 384 * (34 + 5 * 12 * 64 / 384))
    assert small.peak_memory_bytes.p50 - activations > 22_713_216 * 16


# Measured for this project: the training step's peak of whole runs of 1,500 and 4,000 rows of the demonstration.
@pytest.mark.parametrize("measured_mib", [2_715, 2_766, 2_910])
def test_a_run_takes_about_the_memory_that_was_measured(plan: MakePlan, measured_mib: int) -> None:
    found = plan(batch_size=32, max_length=64).peak_memory_bytes
    assert found.p50 == pytest.approx(measured_mib * 2**20, rel=0.1)
    assert found.p90 > measured_mib * 2**20


@pytest.mark.parametrize(
    "more",
    [
        {"train_rows": 6_400},
        {"epochs": 2},
        {"max_length": 128},
        {"bytes": 600_000_000},
    ],
)
def test_more_work_takes_more(plan: MakePlan, more: dict[str, int]) -> None:
    less, more_plan = plan(), plan(**more)
    assert more_plan.seconds.p50 > less.seconds.p50
    assert more_plan.joules.p50 > less.joules.p50


def test_more_cores_take_less_time(plan: MakePlan, machine: Hardware) -> None:
    wide = machine.model_copy(update={"cores": 8})
    assert plan(hardware=wide).seconds.p50 < plan().seconds.p50


def test_shorter_texts_take_less(plan: MakePlan) -> None:
    short = plan(lengths=LengthHistogram(upper=(16, 64), counts=(9, 1)))
    assert short.training_flops < plan().training_flops
    assert short.tokens_per_epoch is not None
    assert short.tokens_per_epoch == pytest.approx(3_200 * (0.9 * 16 + 0.1 * (32 + 48 + 64) / 3), rel=0.01)


def test_rows_are_capped(plan: MakePlan) -> None:
    assert plan(rows=100).train_rows == 100
    assert plan(rows=10_000).train_rows == 3_200
    assert plan(rows=0).train_rows == 3_200
    capped, whole = plan(rows=1_000), plan()
    assert capped.seconds_by_step["evaluate"].p50 < whole.seconds_by_step["evaluate"].p50
    # A cap of all training rows still judges on half as many test rows, 1,600 of 2,000.
    saved = whole.seconds_by_step["evaluate"].p50 - plan(rows=3_200).seconds_by_step["evaluate"].p50
    assert saved == pytest.approx(400 * whole.forward_flops_per_row / (2 * 88e9))


def test_the_sums(plan: MakePlan) -> None:
    found = plan()
    assert found.seconds.p50 == pytest.approx(sum(step.p50 for step in found.seconds_by_step.values()))
    assert found.seconds_by_step["watch"].p50 == 20
    for quantity in (found.seconds, found.joules, found.peak_memory_bytes, *found.seconds_by_step.values()):
        assert quantity.p90 > quantity.p50


def test_joules_lie_between_idle_and_all_cores_busy(plan: MakePlan) -> None:
    found = plan()
    idle = 2 * 0.74 * found.seconds.p50
    assert idle < found.joules.p50 < idle + 2 * 2.76 * found.seconds.p50


def test_money_and_carbon_follow_the_sites_rates(plan: MakePlan, machine: Hardware) -> None:
    unpriced = plan()
    assert (unpriced.cost, unpriced.currency, unpriced.gco2e) == (None, None, None)
    priced = plan(site=PRICED)
    assert priced.cost is not None
    assert priced.gco2e is not None
    kwh = priced.joules.p50 / 3.6e6 * 1.5
    assert (priced.cost.p50, priced.currency) == (pytest.approx(kwh * 0.4), "EUR")
    assert priced.gco2e.p50 == pytest.approx(kwh * 300)
    rented = plan(site=PRICED, hardware=machine.model_copy(update={"price_per_hour": 9.0}))
    assert rented.cost is not None
    assert rented.cost.p50 == pytest.approx(kwh * 0.4 + priced.seconds.p50 / 3600 * 9)


def test_without_pue_the_carbon_is_unknown(plan: MakePlan) -> None:
    found = plan(site=PRICED.model_copy(update={"pue": None}))
    assert (found.cost, found.gco2e) == (None, None)


def test_a_table(plan: MakePlan, table_workload: Workload) -> None:
    found = plan(workload=table_workload, base_config=None)
    assert found.model_parameters == 4 * 64 + 64 + 64 * 32 + 32 + 32 * 3 + 3
    assert found.tokens_per_epoch is None
    assert found.seconds_by_step["train"].p50 < plan().seconds_by_step["train"].p50


def test_the_digest_is_of_everything_else(plan: MakePlan) -> None:
    found = plan()
    assert found.sha256 == plan().sha256 == plan_digest(found)
    assert Plan.model_validate_json(found.model_dump_json()) == found
    assert plan_digest(Plan.model_validate_json(found.model_dump_json())) == found.sha256
    assert plan(epochs=2).sha256 != found.sha256
    better = found.model_copy(update={"train_rows": 1})
    assert plan_digest(better) != found.sha256


def test_what_was_learned_moves_the_parts_that_it_is_about(plan: MakePlan) -> None:
    cold = plan()
    assert (cold.family, cold.calibration) == ("bert_text_classifier", None)
    learned = Calibration(
        hardware="cpu",
        family="bert_text_classifier",
        version=4,
        runs=12,
        scales={"seconds": {"products": 0.5}, "memory": {"states": 2.0}, "watts": {"host_active": 3.0}},
        p90={"seconds": 1.1, "memory": 1.05},
        learned_at=datetime(2024, 1, 1, tzinfo=UTC),
    )
    warm = plan(calibration=learned)
    assert warm.calibration == 4
    assert warm.parts == cold.parts, "the next lesson is from the priors' word too"
    saved = cold.seconds_by_step["train"].p50 - warm.seconds_by_step["train"].p50
    assert saved == pytest.approx(0.5 * cold.parts["seconds"]["products"])
    trained = warm.seconds_by_step["train"]
    assert trained.p90 == pytest.approx(1.1 * trained.p50)
    assert warm.seconds_by_step["export"] == cold.seconds_by_step["export"], "nothing was learned of it"
    more = warm.peak_memory_bytes.p50 - cold.peak_memory_bytes.p50
    assert more == pytest.approx(cold.memory_by_part["states"])
    assert warm.peak_memory_bytes.p90 == pytest.approx(1.05 * warm.peak_memory_bytes.p50)
    watts = warm.joules_by_part["host_active"] / cold.joules_by_part["host_active"]
    assert 1 < watts < 3, "of the training step, whose time is half"
    assert sum(cold.parts["seconds"].values()) == pytest.approx(cold.seconds_by_step["train"].p50)
    assert sum(cold.parts["memory"].values()) == pytest.approx(cold.peak_memory_bytes.p50)


def test_a_trainer_of_ones_own_is_priced_by_its_trace(plan: MakePlan, text_workload: Workload) -> None:
    training = text_workload.training.model_copy(update={"trainer": "gpt-9"})
    own = text_workload.model_copy(update={"training": training})
    order = trace_request(own, Parameters(epochs=1, batch_size=8, learning_rate=1), {"a": 1})
    assert (order.lengths, order.labels, order.single_label) == ((16, 32, 48, 64), 33, True)
    at = [TracedLength(length=t, forward_flops=1e9, layers={"a": (1e9, 2e9)}, kept_bytes=1e6) for t in order.lengths]
    found = plan(workload=own, traced=TracedModel(request_sha256=order.sha256, parameters=5, lengths=tuple(at)))
    assert (found.model_parameters, found.training_flops) == (5, 3e9 * 3_200)


def test_an_unknown_trainer_names_the_known_ones(plan: MakePlan, text_workload: Workload) -> None:
    training = text_workload.training.model_copy(update={"trainer": "gpt-9"})
    with pytest.raises(BadInputError, match="bert_text_classifier") as caught:
        plan(workload=text_workload.model_copy(update={"training": training}))
    assert "gpt-9" in caught.value.what


def test_what_cannot_be_trained_is_refused(plan: MakePlan, text_workload: Workload, machine: Hardware) -> None:
    with pytest.raises(BadInputError, match="no training rows"):
        plan(train_rows=0)
    with pytest.raises(BadInputError, match="no base model"):
        plan(base_config=None)
    with pytest.raises(BadInputError, match="at most 512"):
        plan(max_length=1024)
    nothing = Profile(rows=0, bytes=0, rows_by_split={}, label_counts={})
    for profile in (None, nothing):
        with pytest.raises(BadInputError, match="no training rows"):
            make_plan(
                text_workload,
                Parameters(epochs=1, batch_size=1, learning_rate=1),
                dataset=DatasetVersion(workload="sized", uri="file:///x", version=0, until=date(2024, 1, 1)),
                profile=profile,
                base_config={},
                hardware=machine,
                site=PRICED,
                made_at=datetime(2024, 1, 1, tzinfo=UTC),
            )
