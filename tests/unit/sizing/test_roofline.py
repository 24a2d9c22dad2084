"""A step's seconds by its parts: published figures, and what each part follows."""

from dataclasses import asdict, replace

import pytest

from millrace.contracts.errors import BadInputError
from millrace.sizing.catalogue import gpu_names, hardware
from millrace.sizing.coefficients import CPU, GPU, prior
from millrace.sizing.job import ModelSize
from millrace.sizing.roofline import Setup, StepSeconds, request_seconds, step_seconds
from millrace.sizing.transformer import Head, shape


def bert_large(length: int, predictions: int) -> ModelSize:
    return shape("bert-large").size({length: 1.0}, Head("language_model", predictions=predictions))


# NVIDIA DeepLearningExamples, TensorFlow 2 BERT-large on 8 A100-80GB; MLPerf Training v4.0, BERT on 8 H100 (packed
# sequences of 512, which hold 256 real tokens a sample: Krell et al., 2021, count half of them as padding).
@pytest.mark.parametrize(
    ("name", "length", "predictions", "setup", "measured", "bar"),
    [
        ("8xa100-80-sxm", 128, 20, Setup(32 * 312, 8, 32, "mixed_float16"), 3_799, 0.15),
        ("8xa100-80-sxm", 512, 80, Setup(96 * 40, 8, 96, "mixed_float16"), 650, 0.15),
        ("8xh100-sxm", 256, 40, Setup(96, 8, precision="float8", fused_attention=True), 7_570, 0.25),
    ],
)
def test_published_throughput(
    name: str, length: int, predictions: int, setup: Setup, measured: float, bar: float
) -> None:
    seconds = step_seconds(bert_large(length, predictions), setup, hardware(name), GPU).total
    assert setup.rows * setup.devices / seconds == pytest.approx(measured, rel=bar)


def test_what_follows_what() -> None:
    size, card = bert_large(128, 20), hardware("1xv100-sxm")
    base = step_seconds(size, Setup(32), card, GPU)
    assert step_seconds(size, Setup(64), card, GPU).products == pytest.approx(2 * base.products, rel=0.01)
    assert step_seconds(size, Setup(64), card, GPU).optimiser == base.optimiser
    assert step_seconds(size, Setup(32, precision="mixed_float16"), card, GPU).products < base.products / 3
    assert step_seconds(size, Setup(32, fused_attention=True), card, GPU).elementwise < base.elementwise
    again = step_seconds(size, Setup(32, recompute=True), card, GPU)
    assert base.products < again.products <= 4 / 3 * base.products
    assert base.exchange == 0 < step_seconds(size, Setup(32, devices=8), hardware("8xv100-sxm"), GPU).exchange
    assert step_seconds(size, Setup(32, accumulation=4), card, GPU).launches == pytest.approx(4 * base.launches)


def test_more_nodes_than_one_exchange_over_the_network() -> None:
    size, card = bert_large(128, 20), hardware("8xh100-sxm")
    inside, across = (step_seconds(size, Setup(32, devices=devices), card, GPU).exchange for devices in (8, 16))
    assert across > 10 * inside


def longest(step: StepSeconds) -> str:
    parts = asdict(step)
    return max(parts, key=lambda name: parts[name])


def test_each_part_can_be_the_longest() -> None:
    tiny = shape("bert-tiny").size({16: 1.0}, Head("classifier"))
    assert longest(step_seconds(tiny, Setup(1), hardware("1xh100-sxm"), GPU)) == "launches"
    assert longest(step_seconds(bert_large(128, 20), Setup(64), hardware("1xa40"), GPU)) == "products"
    slow = hardware("8xa40").model_copy(update={"network_bytes_per_second": 1e6})
    assert longest(step_seconds(bert_large(128, 20), Setup(8, devices=16), slow, GPU)) == "exchange"


def test_every_gpu_of_the_catalogue_is_priced_in_float32_and_no_slower_in_what_it_has_beside() -> None:
    size = bert_large(128, 20)
    for name in gpu_names():
        card = hardware(f"1x{name}")
        assert card.device is not None
        plain = step_seconds(size, Setup(8), card, GPU).total
        for precision in card.device.flops:
            assert step_seconds(size, Setup(8, precision=precision), card, GPU).total <= plain
    with pytest.raises(BadInputError, match="float8"):
        step_seconds(size, Setup(8, precision="float8"), hardware("1xa40"), GPU)


def test_a_request_reads_the_weights_at_least_and_a_larger_batch_is_cheaper_a_row() -> None:
    size, card = shape("bert-base").size({128: 1.0}, Head("classifier")), hardware("1xt4")
    one, many = (request_seconds(size, 128, rows, card, GPU) for rows in (1, 32))
    assert one > size.parameters * 4 / 300e9 * 0.5
    assert many / 32 < one


def test_a_processor_sustains_what_the_catalogue_says() -> None:
    machine = hardware("cpu")
    assert prior(machine) == CPU
    size = shape("minilm-l6").size({64: 1.0}, Head("classifier", labels=33))
    found = step_seconds(size, Setup(32), machine, CPU)
    assert found.products == pytest.approx(32 * size.training_flops_per_row / (machine.cores * 88e9))
    assert 0 < found.elementwise + found.launches < 0.1 * found.products
    assert step_seconds(size, Setup(32), machine, replace(CPU, products=CPU.products / 2)).products > found.products
