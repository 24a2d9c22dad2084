"""Counts of a Keras model's parameters and FLOPs by tracing, without allocating weights.

It needs Keras on JAX. A model is built in a stateless scope, where variables have shapes and no values.
"""

import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

from millrace_train.untyped import Model

Jaxpr: TypeAlias = Any
Inputs: TypeAlias = Mapping[str, tuple[tuple[int, ...], str]]
"""Shape and dtype by name of the input."""


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


def training_flops(model: Model, inputs: Inputs) -> float:
    """Return the FLOPs of one forward pass and of the gradients of all trainable weights."""
    return sum(forward + backward for forward, backward in layer_flops(model, inputs).values())


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
