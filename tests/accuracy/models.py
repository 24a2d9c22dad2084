"""The catalogue's models against KerasHub's, built and traced; without weights, one after the other.

Run by the train image's environment: the table on standard output, exit code 1 where a bar is missed.
"""

import argparse
import json
import os
import subprocess
import sys
from typing import Any

LENGTHS = (32, 128, 512)
PROFILER_MOST = 0.03


def build(name: str) -> Any:
    """KerasHub's backbone of the catalogue's numbers."""
    import keras_hub

    from millrace.sizing.transformer import MODELS

    shape = MODELS[name]
    sizes = {
        "vocabulary_size": shape.vocabulary,
        "num_layers": shape.layers,
        "num_heads": shape.heads,
        "hidden_dim": shape.hidden,
        "intermediate_dim": shape.intermediate,
        "max_sequence_length": shape.positions,
    }
    kind = keras_hub.models.BertBackbone if shape.family == "bert" else keras_hub.models.GPT2Backbone
    return kind(**sizes)


def inputs(name: str, length: int) -> dict[str, tuple[tuple[int, ...], str]]:
    from millrace.sizing.transformer import MODELS

    names = ["token_ids", "padding_mask"] + (["segment_ids"] if MODELS[name].segments else [])
    return {each: ((1, length), "int32") for each in names}


def traced(name: str) -> dict[str, Any]:
    """Parameters, and forward and training FLOPs by length, by JAX's traces."""
    from millrace_train import trace

    model = trace.unbuilt(lambda: build(name))
    return {
        "parameters": trace.parameters(model),
        "forward": {length: trace.forward_flops(model, inputs(name, length)) for length in LENGTHS},
        "training": {
            length: sum(map(sum, trace.layer_flops(model, inputs(name, length)).values())) for length in LENGTHS
        },
    }


def profiled(name: str) -> dict[str, Any]:
    """What TensorFlow's profiler counts in the forward pass's graph, by length: more than matrix products."""
    import tensorflow as tf

    from millrace_train import trace

    model = trace.unbuilt(lambda: build(name))
    weights = [tf.TensorSpec(each.shape, each.dtype) for each in model.trainable_variables]
    state = [tf.TensorSpec(each.shape, each.dtype) for each in model.non_trainable_variables]
    profiler = tf.compat.v1.profiler
    builder = profiler.ProfileOptionBuilder
    options = builder(builder.float_operation()).with_empty_output().build()
    found = {}
    for length in LENGTHS:
        given = {key: tf.TensorSpec(shape, dtype) for key, (shape, dtype) in inputs(name, length).items()}
        call = tf.function(lambda *arguments, model=model: model.stateless_call(*arguments, training=False)[0])
        graph = call.get_concrete_function(weights, state, given).graph
        found[length] = float(profiler.profile(graph, options=options).total_float_ops)
    return {"profiler": found}


def ours(name: str) -> dict[str, Any]:
    """What sizing says of the same."""
    from millrace.sizing.transformer import MODELS, Head

    sizes = {length: MODELS[name].size({length: 1.0}, Head("pooler")) for length in LENGTHS}
    return {
        "parameters": sizes[LENGTHS[0]].parameters,
        "forward": {length: size.forward_flops_per_row for length, size in sizes.items()},
        "training": {length: size.training_flops_per_row for length, size in sizes.items()},
    }


def measure(names: list[str], backend: str) -> dict[str, dict[str, Any]]:
    """The traces of one backend, from a process of its own."""
    done = subprocess.run(
        [sys.executable, __file__, "--backend", backend, *names], stdout=subprocess.PIPE, text=True, check=True
    )
    found: dict[str, dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    for figures in found.values():
        for key, value in figures.items():
            if isinstance(value, dict):
                figures[key] = {int(length): flops for length, flops in value.items()}
    return found


def main() -> int:
    """Print a row a model, and say whether every bar is kept."""
    from millrace.sizing.transformer import MODELS

    parser = argparse.ArgumentParser()
    parser.add_argument("--backend", choices=["jax", "tensorflow"])
    parser.add_argument("names", nargs="*", default=list(MODELS))
    given = parser.parse_args()
    if given.backend:
        os.environ.update(KERAS_BACKEND=given.backend, TF_CPP_MIN_LOG_LEVEL="3")
        count = traced if given.backend == "jax" else profiled
        print(json.dumps({name: count(name) for name in given.names}))
        return 0
    by_jax, by_tensorflow = (measure(given.names, backend) for backend in ("jax", "tensorflow"))
    missed = 0
    print(
        f"{'model':12} {'parameters':>13} {'KerasHub':>13} {'forward':>9} {'training':>9} {'profiler':>9}  at {LENGTHS}"
    )
    for name in given.names:
        mine, theirs = ours(name), by_jax[name]
        off = {
            key: max(abs(mine[key][length] / theirs[key][length] - 1) for length in LENGTHS)
            for key in ("forward", "training")
        }
        profiler = by_tensorflow[name]["profiler"]
        off["profiler"] = max(abs(mine["forward"][length] / profiler[length] - 1) for length in LENGTHS)
        kept = mine["parameters"] == theirs["parameters"] and not off["forward"] and not off["training"]
        missed += not (kept and off["profiler"] <= PROFILER_MOST)
        shown = " ".join(f"{off[key]:9.2%}" for key in ("forward", "training", "profiler"))
        print(f"{name:12} {mine['parameters']:13,} {theirs['parameters']:13,} {shown}")
    print(f"{len(given.names)} models, {missed} beyond a bar (parameters and matrix FLOPs exact, profiler 3 %)")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
