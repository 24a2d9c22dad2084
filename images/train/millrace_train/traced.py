"""A Keras model's parameters and matrix products, by tracing it: no weight is ever allocated.

Needs Keras on JAX. A model is built in a stateless scope, where variables have shapes and no values.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

from millrace_train.untyped import Model

Jaxpr: TypeAlias = Any
Inputs: TypeAlias = Mapping[str, tuple[tuple[int, ...], str]]
"""Shape and dtype by the name of the input."""


def unbuilt(build: Callable[[], Model]) -> Model:
    """What ``build`` makes, with no memory behind its variables."""
    import keras

    with keras.StatelessScope(initialize_variables=False):
        return build()


def parameters(model: Model) -> int:
    """Weights and biases; the state of random generators is none."""
    return sum(math.prod(variable.shape) for variable in model.variables if "seed_generator" not in variable.path)


def forward_flops(model: Model, inputs: Inputs) -> float:
    """Of the matrix products and convolutions of one forward pass; what no output needs is left out."""
    weights, state, given = _shapes(model, inputs)
    return _count(lambda *arguments: model.stateless_call(*arguments, training=False)[0], weights, state, given)


def training_flops(model: Model, inputs: Inputs) -> float:
    """Of one forward pass and the gradients of all weights that are trained."""
    import jax

    weights, state, given = _shapes(model, inputs)
    return _count(jax.value_and_grad(_loss(model)), weights, state, given)


def kept_bytes(model: Model, inputs: Inputs) -> float:
    """What the backward pass is given by the forward pass, apart from weights and inputs."""
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


def _count(call: Callable[..., Any], *arguments: Any) -> float:  # noqa: ANN401 - jax's trees
    import jax
    from jax.interpreters import partial_eval

    closed = jax.make_jaxpr(call)(*arguments)
    needed, _ = partial_eval.dce_jaxpr(closed.jaxpr, [True] * len(closed.jaxpr.outvars))
    return sum(times * _flops(equation) for equation, times in _equations(needed, 1))


def _equations(jaxpr: Jaxpr, times: int) -> Iterator[tuple[Any, int]]:
    """Every equation with how often it is done; both branches of a condition, and one turn of a loop without end."""
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
        # the kernel's values for one output feature, of the group it belongs to
        features = shapes[1][equation.params["dimension_numbers"].rhs_spec[0]]
        return float(2 * out * math.prod(shapes[1]) / features)
    return 0.0
