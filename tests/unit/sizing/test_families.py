"""Parameters exactly, FLOPs by hand, buckets as the trainer pads."""

import pytest

from millrace.contracts.data import LengthHistogram
from millrace.contracts.errors import BadInputError
from millrace.contracts.traced import TracedLength, TracedModel
from millrace.sizing import families, transformer
from millrace.sizing.families import mlp_size
from millrace.sizing.transformer import Head, TransformerShape, bucket_shares

# Devlin et al. (2019) round these to 110 and 340 million; the exact counts are those of the published checkpoints.
BASE = {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 3072}
LARGE = {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16, "intermediate_size": 4096}


@pytest.mark.parametrize(("changes", "parameters"), [({}, 22_713_216), (BASE, 109_482_240), (LARGE, 335_141_888)])
def test_parameters_are_exact(minilm: dict[str, object], changes: dict[str, object], parameters: int) -> None:
    shape = TransformerShape.from_config({**minilm, **changes})
    assert shape.size({1: 1.0}, Head("pooler")).parameters == parameters
    assert shape.head_parameters(Head("classifier", labels=33)) == 33 * shape.hidden + 33


def test_flops_agree_with_the_rule_of_six(minilm: dict[str, object]) -> None:
    shape = TransformerShape.from_config(minilm)
    matrices = 6 * (4 * 384**2 + 2 * 384 * 1536)
    for length in (16, 64, 512):
        by_layer = shape.size({length: 1.0}, Head("classifier", labels=33)).flops_by_layer(length)
        rule = 6 * matrices * length + 12 * 6 * 384 * length**2
        assert sum(sum(flops) for name, flops in by_layer.items() if name != "head") == pytest.approx(rule)
        assert by_layer["head"] == (2 * 384 * 33, 4 * 384 * 33)
        assert by_layer["pooler"] == (0, 0), "it is not run in training"


def test_activations_agree_with_the_published_formula(minilm: dict[str, object]) -> None:
    # Korthikanti et al. (2022): s·b·h·(34 + 5·a·s/h) bytes a layer in float16, 34 without the scores
    size = TransformerShape.from_config(minilm).size({64: 1.0}, Head("classifier", labels=33))
    assert 2 * size.kept_values(64) == pytest.approx(6 * 64 * 384 * (34 + 5 * 12 * 64 / 384))
    assert 2 * size.kept_values(64, fused_attention=True) == pytest.approx(6 * 64 * 384 * 34)
    # a block's input each, and one block's own
    recomputed = 2 * size.kept_values(64, recompute=True)
    assert 6 * 64 * 384 * 2 < recomputed < 6 * 64 * 384 * 2 + 64 * 384 * (34 + 5 * 12 * 64 / 384)


def test_what_is_recomputed_is_one_more_forward_pass(minilm: dict[str, object]) -> None:
    size = TransformerShape.from_config(minilm).size({64: 0.5, 128: 0.5}, Head("classifier", labels=33))
    assert size.training_flops_per_row == 3 * size.forward_flops_per_row
    assert size.recomputed_flops_per_row == pytest.approx(size.forward_flops_per_row, rel=1e-3)
    assert size.optimiser_flops == 15 * size.parameters


# Radford et al. (2019) print 117, 345, 762 and 1,542 million; these are the published checkpoints' own counts.
@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("bert-tiny", 4_385_920),
        ("bert-base", 109_482_240),
        ("minilm-l12", 33_360_000),
        ("gpt2", 124_439_808),
        ("gpt2-medium", 354_823_168),
        ("gpt2-large", 774_030_080),
        ("gpt2-xl", 1_557_611_200),
    ],
)
def test_the_catalogues_parameters_are_the_published_checkpoints(name: str, parameters: int) -> None:
    assert transformer.shape(name).size({1: 1.0}, Head("pooler")).parameters == parameters


def test_a_language_models_head_is_the_tied_embedding() -> None:
    gpt, bert = transformer.shape("gpt2"), transformer.shape("bert-large")
    assert gpt.head_parameters(Head("language_model")) == 0
    flops = gpt.size({128: 1.0}, Head("language_model")).flops_by_layer(128)["head"]
    assert flops[0] == 2 * 128 * 768 * 50_257
    masked = bert.size({128: 1.0}, Head("language_model", predictions=20))
    assert masked.flops_by_layer(128)["head"][0] == 2 * 20 * 1024 * (1024 + 30_522)
    assert masked.parameters == 336_226_108 - 2 * 1024 - 2  # BertForPreTraining's, less its labels of the next sentence


def test_a_traced_model_counts_what_lies_between_two_lengths_as_the_longer() -> None:
    at = [TracedLength(length=t, forward_flops=t, layers={"a/b": (t, 2 * t)}, kept_bytes=40 * t) for t in (16, 64)]
    size = families.traced_size(
        TracedModel(request_sha256="0" * 64, parameters=7, lengths=tuple(at)), {16: 0.5, 32: 0.5}
    )
    assert (size.parameters, size.forward_flops_per_row, size.training_flops_per_row) == (7, 40, 120)
    assert (size.kept_values(16), size.kept_values(32)) == (160, 640)


def test_an_unknown_model_names_the_known_ones() -> None:
    with pytest.raises(BadInputError, match="bert-large"):
        transformer.shape("gpt-9")


def test_gpt2s_configuration_is_read() -> None:
    config = {
        "model_type": "gpt2",
        "vocab_size": 50_257,
        "n_embd": 768,
        "n_layer": 12,
        "n_head": 12,
        "n_positions": 1024,
    }
    assert TransformerShape.from_config(config, "gpt2") == transformer.shape("gpt2")
    with pytest.raises(BadInputError, match="n_layer"):
        TransformerShape.from_config({**config, "n_layer": 0}, "gpt2")


@pytest.mark.parametrize(
    "changes", [{"hidden_size": None}, {"vocab_size": "30522"}, {"num_hidden_layers": 0}, {"model_type": "gpt2"}]
)
def test_another_configuration_is_refused(minilm: dict[str, object], changes: dict[str, object]) -> None:
    with pytest.raises(BadInputError, match=next(iter(changes))):
        TransformerShape.from_config({**minilm, **changes})


def test_a_perceptron_by_hand() -> None:
    size = mlp_size(4, (64, 32), 3)
    assert size.parameters == (4 * 64 + 64) + (64 * 32 + 32) + (32 * 3 + 3)
    assert size.forward_flops_per_row == 2 * (4 * 64 + 64 * 32 + 32 * 3)
    assert size.training_flops_per_row == 3 * size.forward_flops_per_row - 2 * 4 * 64, "no gradient by the data"
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
