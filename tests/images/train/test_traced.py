"""Traces of models without weights: sizing's formulas and KerasHub agree, and any other model can be priced."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from millrace.contracts.traced import TracedModel, TraceRequest
from millrace.sizing.families import mlp_size, traced_size
from millrace.sizing.transformer import Head, TransformerShape

REPOSITORY = Path(__file__).resolve().parents[3]
CONFIG = {
    "model_type": "bert",
    "vocab_size": 100,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": 64,
    "type_vocab_size": 2,
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1,
    "attention_probs_dropout_prob": 0.1,
}
TEXT = TraceRequest(
    trainer="bert_text_classifier",
    options={},
    labels=5,
    single_label=False,
    features=1,
    base_config=CONFIG,
    lengths=(16, 64),
)
TABLE = TraceRequest(
    trainer="mlp_classifier",
    options={"hidden": "8,4"},
    labels=3,
    single_label=True,
    features=6,
    base_config=None,
    lengths=(0,),
)


def run(*command: str, given: str = "") -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": f"{REPOSITORY}/plugins:{REPOSITORY}/images/train"}
    return subprocess.run([sys.executable, *command], env=environment, input=given, capture_output=True, text=True)


def trace(order: TraceRequest) -> TracedModel:
    done = run("-m", "millrace_train.trace", given=order.model_dump_json())
    assert done.returncode == 0, done.stderr[-2000:]
    return TracedModel.model_validate_json(done.stdout)


def test_the_trainers_bert_is_what_sizing_says() -> None:
    found = trace(TEXT)
    size = TransformerShape.from_config(CONFIG).size({16: 0.5, 64: 0.5}, Head("classifier", labels=5))
    assert found.request_sha256 == TEXT.sha256
    assert found.parameters == size.parameters
    for each in found.lengths:
        flops = size.flops_by_layer(each.length).values()
        assert each.forward_flops == sum(forward for forward, _ in flops)
        assert sum(map(sum, each.layers.values())) == sum(forward + backward for forward, backward in flops)
        # 8·h² a token are four products of 2·h², each with two gradients
        (query,) = [
            found
            for name, found in each.layers.items()
            if name.endswith("transformer_layer_1/self_attention_layer/query")
        ]
        assert query == (2 * 32**2 * each.length, 4 * 32**2 * each.length)
    by_trace = traced_size(found, {16: 0.5, 64: 0.5})
    assert by_trace.parameters == size.parameters
    assert by_trace.training_flops_per_row == size.training_flops_per_row
    assert by_trace.kept_values(64) > 2 * by_trace.kept_values(16) > 0


def test_the_trainers_perceptron_is_what_sizing_says() -> None:
    found, size = trace(TABLE), mlp_size(6, (8, 4), 3)
    assert found.parameters == size.parameters
    (only,) = found.lengths
    assert only.forward_flops == size.forward_flops_per_row
    assert only.layers == dict(zip(only.layers, size.flops_by_layer(0).values(), strict=True))


def test_an_unknown_trainer_is_refused() -> None:
    done = run("-m", "millrace_train.trace", given=TABLE.model_copy(update={"trainer": "gpt-9"}).model_dump_json())
    assert (done.returncode, "unknown trainer 'gpt-9'" in done.stderr) == (10, True)


@pytest.mark.parametrize("changed", [{"labels": 4}, {"options": {"hidden": "8"}}, {"lengths": (0, 1)}])
def test_another_order_has_another_digest(changed: dict[str, Any]) -> None:
    assert TABLE.model_copy(update=changed).sha256 != TABLE.sha256


def test_the_catalogues_small_models_are_kerashubs() -> None:
    done = run(str(REPOSITORY / "tests/accuracy/models.py"), "bert-tiny", "minilm-l6", "gpt2")
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    assert "3 models, 0 beyond a bar" in done.stdout
