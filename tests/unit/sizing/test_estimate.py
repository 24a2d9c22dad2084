"""What a training takes on hardware, part by part, and which hardware to take."""

import json
from dataclasses import replace

import pytest

from millrace.contracts.errors import BadInputError
from millrace.contracts.measurement import Quantity
from millrace.sizing.catalogue import Site, hardware
from millrace.sizing.estimate import estimate, serving
from millrace.sizing.frontier import Capacity, Choice, choice, decide, frontier
from millrace.sizing.job import Job
from millrace.sizing.query import SizingQuery, document, table
from millrace.sizing.roofline import CONTEXT_BYTES

LOCAL = Site(name="local")
PRICED = Site(name="north", pue=1.5, price_per_kwh=0.4, currency="EUR", gco2e_per_kwh=300)
JOB = SizingQuery("bert-base", rows=200_000, length=128, batch_rows=256, precision="mixed_float16").job()


def test_device_memory_holds_states_and_activations() -> None:
    card = hardware("1xa100-80-sxm")
    found = estimate(JOB, card, LOCAL)
    parts = found.device_memory
    assert (parts["weights"], parts["optimiser"]) == (4 * JOB.size.parameters, 8 * JOB.size.parameters)
    assert found.device_memory_bytes is not None
    assert found.device_memory_bytes.p50 == pytest.approx(sum(parts.values()))
    # twelve layers, 256 rows, two bytes: Korthikanti et al. (2022)
    published = 12 * 256 * 128 * 768 * (34 + 5 * 12 * 128 / 768)
    assert parts["activations"] == pytest.approx(1.55 * published, rel=0.01)
    halved = estimate(replace(JOB, accumulation=2), card, LOCAL).device_memory
    assert halved["activations"] == pytest.approx(parts["activations"] / 2)
    assert halved["weights"] == parts["weights"]
    assert estimate(replace(JOB, recompute=True), card, LOCAL).device_memory["activations"] < parts["activations"] / 5
    assert estimate(JOB, hardware("8xa100-80-sxm"), LOCAL).device_memory["activations"] < parts["activations"] / 7
    assert estimate(replace(JOB, precision="float32"), hardware("cpu"), LOCAL).device_memory_bytes is None


def test_joules_add_up_and_the_buildings_share_is_kept_apart() -> None:
    card = hardware("4xh100-sxm")
    found = estimate(JOB, card, PRICED)
    assert set(found.joules_by_part) == {"host_idle", "host_active", "gpu_idle", "gpu_active"}
    assert sum(found.joules_by_part.values()) == pytest.approx(found.joules.p50)
    assert found.facility_joules is not None
    assert found.facility_joules.p50 == pytest.approx(1.5 * found.joules.p50)
    assert found.gco2e is not None
    assert found.gco2e.p50 == pytest.approx(found.facility_joules.p50 / 3.6e6 * 300)
    training = JOB.steps * found.step.total
    assert found.joules_by_part["gpu_idle"] > 4 * 75 * training
    assert found.joules_by_part["gpu_active"] < 4 * (700 - 75) * training
    assert estimate(JOB, card, LOCAL).facility_joules is None


def test_workers_divide_the_steps_and_reserve_more() -> None:
    alone, four = (estimate(replace(JOB, workers=workers), hardware("1xh100-sxm"), LOCAL) for workers in (1, 4))
    assert four.rows_per_second > 1.5 * alone.rows_per_second
    assert four.machine_seconds.p50 - four.seconds.p50 == pytest.approx(3 * four.seconds_by_step["train"].p50)
    assert four.network_bytes_per_second > alone.network_bytes_per_second


def test_pods_take_longer_than_processes() -> None:
    here, there = (estimate(JOB, hardware("1xt4"), LOCAL, on_cluster=on).seconds for on in (False, True))
    assert there.p50 - here.p50 == pytest.approx(5 * 3.9)
    assert there.p90 - here.p90 > 30, "an image may have to be fetched first"


@pytest.mark.parametrize(
    ("job", "name", "bottleneck"),
    [
        (replace(JOB, precision="float32"), "1xt4", "compute"),
        (SizingQuery("bert-tiny", 200_000, 512, batch_rows=64, epochs=50).job(), "1xh100-sxm", "memory_bandwidth"),
        (replace(JOB, epochs=1), "8xh200-sxm", "input"),
        (SizingQuery("bert-tiny", 1_000, 16, batch_rows=1, epochs=50).job(), "1xh100-sxm", "launch"),
    ],
)
def test_the_bottleneck_is_named(job: Job, name: str, bottleneck: str) -> None:
    assert estimate(job, hardware(name), LOCAL).bottleneck == bottleneck


def test_what_does_not_fit_is_fed_in_parts_or_said() -> None:
    whole, small = (choice(JOB, hardware(name), LOCAL) for name in ("1xa100-80-sxm", "1xp100-sxm"))
    assert (whole.job.accumulation, whole.unfit) == (1, ())
    assert small.job.accumulation > 1
    assert small.unfit == ()
    needed = small.estimate.device_memory_bytes
    assert needed is not None
    assert needed.p90 + CONTEXT_BYTES <= 16 * 2**30
    huge = choice(SizingQuery("gpt2-xl", 1_000, 1024, head="language_model").job(), hardware("1xt4"), LOCAL)
    assert [reason.split(":")[0] for reason in huge.unfit] == ["GPU memory"]


def test_quotas_and_nodes_are_asked() -> None:
    capacities = [Capacity("quota millrace", gpus=3, cores=10_000), Capacity("node a", cores=8, memory_bytes=2**50)]
    found = choice(JOB, hardware("4xh100-sxm"), LOCAL, capacities=capacities)
    assert found.unfit == ("quota millrace: 4 GPUs, and 3 are free", "node a: 64 cores, and 8 are free")
    assert frontier([found]) == []


def _choices() -> list[Choice]:
    names = ("1xt4", "1xv100-sxm", "1xh100-sxm", "8xh100-sxm", "8xp100-sxm")
    return [choice(replace(JOB, epochs=20), hardware(name), PRICED) for name in names]


def test_the_frontier_is_what_nothing_beats() -> None:
    every, kept = _choices(), frontier(_choices())
    assert 1 < len(kept) < len(every)
    assert "8xp100-sxm" not in [each.hardware.name for each in kept]
    assert [each.estimate.seconds.p50 for each in kept] == sorted(each.estimate.seconds.p50 for each in kept)
    for each in every:
        beaten = [
            other
            for other in kept
            if other.estimate.seconds.p50 <= each.estimate.seconds.p50
            and other.estimate.joules.p50 <= each.estimate.joules.p50
        ]
        assert beaten, each.hardware.name


def test_a_deadline_takes_more_energy() -> None:
    thrifty = decide(_choices(), "joules")
    assert thrifty is not None
    soon = decide(_choices(), "joules", within_seconds=0.9 * thrifty.estimate.seconds.p90)
    assert soon is not None
    assert soon.estimate.joules.p50 > thrifty.estimate.joules.p50
    assert decide(_choices(), "seconds", within_seconds=1) is None


def test_a_power_limit_saves_more_than_it_slows() -> None:
    limit = estimate(JOB, hardware("1xa40"), LOCAL).power_limit
    assert limit is not None
    assert 100 <= limit.watts < 300
    assert 0 <= limit.slower <= 0.03 < limit.saved
    assert estimate(replace(JOB, precision="float32"), hardware("cpu"), LOCAL).power_limit is None


def test_a_request() -> None:
    (one, joules), (many, _) = (serving(JOB, 128, rows, hardware("1xt4")) for rows in (1, 32))
    assert 0 < one.p50 < one.p90
    assert one.p50 < many.p50 < 32 * one.p50
    assert 0 < joules < 70 * one.p50


def test_a_question_is_answered_as_table_and_json() -> None:
    asked = SizingQuery("bert-base", 10_000, 128, batch_rows=64)
    found = [choice(asked.job(), hardware(name), PRICED) for name in ("1xv100-sxm", "1xt4")]
    full = "\n".join(table(asked, found[:1]))
    for word in (
        "109,483,778",
        "feed_forward",
        "activations",
        "gpu active",
        "EUR",
        "power limit",
        "fits            yes",
    ):
        assert word in full
    assert [line.split()[0] for line in table(asked, found)] == ["hardware", "1xv100-sxm", "1xt4"]
    (first, _) = json.loads(document(asked, found))
    assert first["parameters"] == 109_483_778
    assert first["seconds"]["p50"] == pytest.approx(found[0].estimate.seconds.p50)
    assert Quantity.model_validate(first["gco2e"]).p90 > 0
    assert [each["rows"] for each in first["requests"]] == [1, 8, 32]


def test_a_configuration_in_the_place_of_a_name() -> None:
    config = {
        "model_type": "gpt2",
        "vocab_size": 50_257,
        "n_embd": 768,
        "n_layer": 12,
        "n_head": 12,
        "n_positions": 1024,
    }
    assert SizingQuery("mine.json", 10, 16, config=config).job().size.parameters == 124_439_808 + 2 * 768 + 2
    with pytest.raises(BadInputError, match="gpt2-xl"):
        SizingQuery("gpt-9", 10, 16).job()
