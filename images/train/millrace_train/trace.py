"""``python -m millrace_train.trace``: TraceRequest from standard input, TracedModel to standard output.

Parameters and FLOPs of a Keras model on JAX are counted by tracing, without allocating weights: a model is built in a
stateless scope, where variables have shapes and no values.
"""

import json
import math
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from millrace.contracts.errors import BadInputError
from millrace.contracts.traced import TracedLength, TracedModel, TraceRequest
from millrace.contracts.trainers import parse_options
from millrace_train.trainers.registry import TRAINERS, unknown_trainer
from millrace_train.trainers.shape import ModelShape
from millrace_train.untyped import Model
from millrace_train.worker_group import load_keras

Jaxpr: TypeAlias = Any
Inputs: TypeAlias = Mapping[str, tuple[tuple[int, ...], str]]
"""Shape and dtype by name of the input."""
_CONFIG_FILE = "config.json"


def unbuilt(build: Callable[[], Model]) -> Model:
    """Return the model that ``build`` creates, without memory for its variables."""
    import keras

    with keras.StatelessScope(initialize_variables=False):
        return build()


def parameters(model: Model) -> int:
    """Return the number of weights and biases, without the state of random generators."""
    return sum(math.prod(variable.shape) for variable in model.variables if "seed_generator" not in variable.path)


def forward_flops(model: Model, inputs: Inputs) -> float:
    """Return the FLOPs of the matrix products and convolutions of one forward pass that the outputs depend on."""
    weights, state, given = _shapes(model, inputs)
    traced = _traced(lambda *known: model.stateless_call(*known, training=False)[0], weights, state, given)
    return sum(times * _flops(equation) for equation, times in traced)


def layer_flops(model: Model, inputs: Inputs) -> dict[str, tuple[float, float]]:
    """Return forward and backward FLOPs by the layer's path in the model, in the order of the forward pass."""
    import jax

    weights, state, given = _shapes(model, inputs)
    found: dict[str, tuple[float, float]] = {}
    for equation, times in _traced(jax.value_and_grad(_loss(model)), weights, state, given):
        flops = _flops(equation) * times
        if flops:
            layer, backward = _layer(str(equation.source_info.name_stack))
            forward_before, backward_before = found.get(layer, (0.0, 0.0))
            found[layer] = (forward_before + flops * (not backward), backward_before + flops * backward)
    return found


def _layer(stack: str) -> tuple[str, bool]:
    """Return a layer's path, and whether the operation is of the backward pass: JAX marks scopes as jvp(…) and
    transpose(jvp(…)). The scope of an einsum is not a layer.
    """
    path = [re.sub(r"^(?:\w+\()+|\)+$", "", part) for part in stack.split("/")]
    return "/".join(part for part in path if part and "," not in part) or "model", "transpose(" in stack


def kept_bytes(model: Model, inputs: Inputs) -> float:
    """Return the bytes that the forward pass keeps for the backward pass, without weights and inputs."""
    import jax

    weights, state, given = _shapes(model, inputs)
    loss = _loss(model)
    kept = jax.eval_shape(
        lambda *known: jax.vjp(lambda trained: loss(trained, *known[1:]), known[0])[1], weights, state, given
    )
    shapes = [(leaf.shape, leaf.dtype) for leaf in jax.tree.leaves(kept)]
    for known in jax.tree.leaves((weights, state, given)):
        if (known.shape, known.dtype) in shapes:
            shapes.remove((known.shape, known.dtype))
    return float(sum(math.prod(shape) * dtype.itemsize for shape, dtype in shapes))


def _loss(model: Model) -> Callable[..., Any]:
    import jax

    def loss(weights: Any, state: Any, given: Any) -> Any:  # noqa: ANN401 - jax's trees
        outputs = model.stateless_call(weights, state, given, training=True)[0]
        return sum(leaf.astype("float32").sum() for leaf in jax.tree.leaves(outputs))

    return loss


def _shapes(model: Model, inputs: Inputs) -> tuple[Any, Any, Any]:
    import jax

    def shapes(variables: Any) -> list[Any]:  # noqa: ANN401 - Keras's variables
        return [jax.ShapeDtypeStruct(variable.shape, variable.dtype) for variable in variables]

    given = {name: jax.ShapeDtypeStruct(shape, dtype) for name, (shape, dtype) in inputs.items()}
    return shapes(model.trainable_variables), shapes(model.non_trainable_variables), given


def _traced(call: Callable[..., Any], *arguments: Any) -> Iterator[tuple[Any, int]]:  # noqa: ANN401 - jax's trees
    """Return the operations that the outputs depend on, with the number of their executions."""
    import jax
    from jax.interpreters import partial_eval

    closed = jax.make_jaxpr(call)(*arguments)
    needed, _ = partial_eval.dce_jaxpr(closed.jaxpr, [True] * len(closed.jaxpr.outvars))
    return _equations(needed, 1)


def _equations(jaxpr: Jaxpr, times: int) -> Iterator[tuple[Any, int]]:
    """Yield every equation with its number of executions; all branches of a condition, a while loop's body once."""
    for equation in jaxpr.eqns:
        yield equation, times
        inner = times * (equation.params["length"] if equation.primitive.name == "scan" else 1)
        for value in equation.params.values():
            for part in value if isinstance(value, tuple | list) else (value,):
                found = getattr(part, "jaxpr", part)
                if hasattr(found, "eqns"):
                    yield from _equations(found, inner)


def _flops(equation: Any) -> float:  # noqa: ANN401 - a jaxpr's equation
    name, shapes = equation.primitive.name, [variable.aval.shape for variable in equation.invars]
    out = math.prod(equation.outvars[0].aval.shape)
    if name == "dot_general":
        (contracted, _), _ = equation.params["dimension_numbers"]
        return float(2 * out * math.prod(shapes[0][axis] for axis in contracted))
    if name == "conv_general_dilated":
        # kernel size divided by its output features: the products for one output value within its group
        features = shapes[1][equation.params["dimension_numbers"].rhs_spec[0]]
        return float(2 * out * math.prod(shapes[1]) / features)
    return 0.0


def trace(request: TraceRequest) -> TracedModel:
    """Build the trainer's model without weights, and trace one row at each requested length.

    Raises BadInputError for an unknown trainer or option.
    """
    trainer = TRAINERS.get(request.trainer)
    if trainer is None:
        raise unknown_trainer(request.trainer)
    options = parse_options(trainer.options, request.options)
    load_keras(backend="jax")
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / _CONFIG_FILE).write_text(json.dumps(request.base_config or {}))
        shape = ModelShape(
            labels=request.labels,
            single_label=request.single_label,
            features=request.features,
            base_folder=Path(folder) if request.base_config else None,
            pretrained=False,
            mean=(0.0,) * request.features,
            variance=(1.0,) * request.features,
        )
        model = unbuilt(lambda: trainer.build(shape, options))
    return TracedModel(
        request_sha256=request.sha256,
        parameters=parameters(model),
        lengths=tuple(_at(model, _inputs(request, length, trainer.takes_text), length) for length in request.lengths),
    )


def _inputs(request: TraceRequest, length: int, takes_text: bool) -> Inputs:
    if takes_text:
        return {"token_ids": ((1, length), "int32"), "padding_mask": ((1, length), "bool")}
    return {"features": ((1, request.features), "float32")}


def _at(model: Model, inputs: Inputs, length: int) -> TracedLength:
    return TracedLength(
        length=length,
        forward_flops=forward_flops(model, inputs),
        layers=layer_flops(model, inputs),
        kept_bytes=kept_bytes(model, inputs),
    )


def main() -> int:
    """Run the trace; return 0, or BadInputError's exit code for a wrong request, with the reason on standard error."""
    try:
        found = trace(TraceRequest.model_validate_json(sys.stdin.read()))
    except BadInputError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    sys.stdout.write(f"{found.model_dump_json()}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
