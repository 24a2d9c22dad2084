"""Parameters exactly, FLOPs by hand, buckets as the trainer pads."""

import re
from pathlib import Path

import pytest

from millrace.contracts.data import LengthHistogram
from millrace.contracts.errors import BadInputError
from millrace.sizing import families
from millrace.sizing.mlp import mlp_size
from millrace.sizing.transformer import BertShape, bucket_shares

REPOSITORY = Path(__file__).resolve().parents[3]

# Devlin et al. (2019) round these to 110 and 340 million; the exact counts are those of the published checkpoints.
BASE = {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 3072}
LARGE = {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16, "intermediate_size": 4096}


@pytest.mark.parametrize(("changes", "parameters"), [({}, 22_713_216), (BASE, 109_482_240), (LARGE, 335_141_888)])
def test_parameters_are_exact(minilm: dict[str, object], changes: dict[str, object], parameters: int) -> None:
    shape = BertShape.from_config({**minilm, **changes})
    assert shape.backbone_parameters() == parameters
    assert shape.head_parameters(33) == 33 * shape.hidden + 33


def test_flops_agree_with_the_rule_of_six(minilm: dict[str, object]) -> None:
    shape = BertShape.from_config(minilm)
    matrices = 6 * (4 * 384**2 + 2 * 384 * 1536)
    for length in (16, 64, 512):
        by_layer = shape.forward_flops_by_layer(length, labels=33)
        rule = 6 * matrices * length + 12 * 6 * 384 * length**2
        assert 3 * (sum(by_layer.values()) - by_layer["head"]) == pytest.approx(rule)
        assert by_layer["head"] == 2 * 384 * 33


def test_activations_agree_with_the_published_formula(minilm: dict[str, object]) -> None:
    # Korthikanti et al. (2022): s·b·h·(34 + 5·a·s/h) bytes a layer in float16
    published = 6 * 64 * 384 * (34 + 5 * 12 * 64 / 384)
    assert BertShape.from_config(minilm).activation_bytes(64) == pytest.approx(2 * published)


@pytest.mark.parametrize(
    "changes", [{"hidden_size": None}, {"vocab_size": "30522"}, {"num_hidden_layers": 0}, {"model_type": "gpt2"}]
)
def test_another_configuration_is_refused(minilm: dict[str, object], changes: dict[str, object]) -> None:
    with pytest.raises(BadInputError, match=next(iter(changes))):
        BertShape.from_config({**minilm, **changes})


def test_a_perceptron_by_hand() -> None:
    size = mlp_size(4, (64, 32), 3)
    assert size.parameters == (4 * 64 + 64) + (64 * 32 + 32) + (32 * 3 + 3)
    assert size.forward_flops_per_row == 2 * (4 * 64 + 64 * 32 + 32 * 3)
    assert size.tokens_per_row == 0


def test_rows_are_spread_over_their_bin() -> None:
    lengths = LengthHistogram(upper=(32, 64, 512), counts=(10, 20, 10))
    shares = bucket_shares(lengths, (16, 32, 48, 96), 64)
    assert shares == pytest.approx({16: 0.125, 32: 0.125, 48: 0.25, 64: 0.5})


def test_longer_rows_are_cut_to_the_maximum() -> None:
    lengths = LengthHistogram(upper=(64, 128), counts=(0, 7))
    assert bucket_shares(lengths, (16, 64, 512), 100) == pytest.approx({100: 1.0})


def test_without_a_histogram_rows_are_long() -> None:
    assert bucket_shares(None, (16, 32), 64) == {64: 1.0}
    assert bucket_shares(LengthHistogram(upper=(8,), counts=(0,)), (16, 32), 64) == {64: 1.0}


def test_the_defaults_are_the_train_images() -> None:
    options = (REPOSITORY / "images" / "train" / "millrace_train" / "options.py").read_text()
    for name, default in (("buckets", families.DEFAULT_BUCKETS), ("hidden", families.DEFAULT_HIDDEN)):
        assert re.search(rf'\b{name}: str = Field\(\s*default="{default}"', options), name
