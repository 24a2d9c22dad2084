"""Conversion of a Keras model into an ONNX file, with the same bytes for the same weights, and their comparison."""

import logging
from collections.abc import Iterable
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from millrace.contracts.errors import RefusedError
from millrace_train.untyped import Message, Model, Tensor

OUTPUT = "probabilities"
OPSET = 17
_AXES = ("batch", "tokens")


def write_onnx(model: Model, path: Path) -> None:
    """Export a float32 Keras model with its inputs' names, dynamic batch and length, and the output ``probabilities``.

    The graph is converted with the weights as inputs, and they are inserted afterwards: otherwise the converter copies
    all of them in each of its passes (measured on MiniLM, 91 MB: 6.7 GB and 36 s against 1.4 GB and 5 s).
    The file can hold at most 2 GiB, the limit of protobuf.
    """
    import keras
    import onnx
    import tensorflow as tf
    import tf2onnx

    logging.getLogger("tf2onnx").setLevel(logging.WARNING)
    groups = (model.trainable_variables, model.non_trainable_variables)
    weights = {f"weight_{group}_{index}": v for group, vs in enumerate(groups) for index, v in enumerate(vs)}

    def answer(inputs: dict[str, Tensor], trainable: list[Tensor], fixed: list[Tensor]) -> dict[str, Tensor]:
        return {OUTPUT: model.stateless_call(trainable, fixed, inputs, training=False)[0]}

    inputs = {
        given.name: tf.TensorSpec([None if size is None else size for size in given.shape], given.dtype, given.name)
        for given in model.inputs
    }
    specs = [
        [tf.TensorSpec(v.shape, v.dtype, f"weight_{group}_{index}") for index, v in enumerate(vs)]
        for group, vs in enumerate(groups)
    ]
    function = tf.function(answer, autograph=False)
    exported, _ = tf2onnx.convert.from_function(function, input_signature=[inputs, *specs], opset=OPSET)
    _put_weights(
        exported.graph, set(inputs), {name: keras.ops.convert_to_numpy(v.value) for name, v in weights.items()}
    )
    _make_canonical(exported.graph)
    onnx.checker.check_model(exported)
    path.write_bytes(exported.SerializeToString(deterministic=True))


def largest_difference(model: Model, path: Path, batches: Iterable[dict[str, NDArray[Any]]]) -> float:
    """Return the largest |Keras - ONNX| over the probabilities of all batches. Raises RefusedError if not finite."""
    import keras
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    worst = 0.0
    for inputs in batches:
        expected = np.asarray(keras.ops.convert_to_numpy(model(inputs, training=False)), np.float64)
        found = np.asarray(session.run(None, inputs)[0], np.float64)
        difference = float(np.abs(expected - found).max())
        if not np.isfinite(difference):
            raise RefusedError(
                "the model answers with numbers that are not finite",
                where=str(path),
                rule="probabilities are finite",
                remedy="train again with a lower learning rate",
            )
        worst = max(worst, difference)
    return worst


def _put_weights(graph: Message, inputs: set[str], weights: dict[str, NDArray[Any]]) -> None:
    from onnx import numpy_helper

    if unknown := sorted({given.name for given in graph.input} - inputs - set(weights)):
        raise RefusedError(
            f"the exported graph takes {unknown}",
            where="the trainer's model",
            rule=f"inputs {sorted(inputs)} and nothing else: a layer keeps what it learnt in variables or as numbers",
            remedy="do not keep tensors in a layer of this trainer",
        )
    used = {name for node in graph.node for name in node.input}
    for given in graph.input:
        if given.name in weights and given.name in used:
            graph.initializer.append(numpy_helper.from_array(np.asarray(weights[given.name]), given.name))
    _replace(graph.input, [given for given in graph.input if given.name in inputs])


def _make_canonical(graph: Message) -> None:
    """Sort the nodes topologically from the output, and number the names in that order.

    The converter takes both from hash tables and counters, so that the bytes of equal models would differ.
    """
    _replace(graph.node, _in_order(graph))
    kept = {given.name for given in graph.input}
    names = {graph.output[0].name: OUTPUT, "": ""}

    def renamed(name: str) -> str:
        return name if name in kept else names.setdefault(name, f"t{len(names)}")

    for index, node in enumerate(graph.node):
        node.name, node.doc_string = f"{node.op_type}_{index}", ""
        node.input[:] = [renamed(name) for name in node.input]
        node.output[:] = [renamed(name) for name in node.output]
    constants = [constant for constant in graph.initializer if constant.name in names]
    for constant in constants:
        constant.name = names[constant.name]
    _replace(graph.initializer, sorted(constants, key=lambda constant: str(constant.name)))
    _replace(graph.input, sorted(graph.input, key=lambda given: str(given.name)))
    graph.output[0].name = OUTPUT
    for given in (*graph.input, *graph.output):
        for axis, dimension in zip(_AXES, given.type.tensor_type.shape.dim, strict=False):
            if not dimension.HasField("dim_value"):
                dimension.dim_param = axis
    del graph.value_info[:]
    graph.name, graph.doc_string = "model", ""


def _in_order(graph: Message) -> list[Message]:
    made_by = {name: index for index, node in enumerate(graph.node) for name in node.output}
    order: list[int] = []
    placed: set[int] = set()
    waiting = [(graph.output[0].name, False)]
    while waiting:
        name, ready = waiting.pop()
        index = made_by.get(name)
        if index is None or index in placed:
            continue
        if ready:
            placed.add(index)
            order.append(index)
            continue
        waiting.append((name, True))
        waiting.extend((needed, False) for needed in reversed(graph.node[index].input))
    return [graph.node[index] for index in order]


def _replace(field: Message, messages: Iterable[Message]) -> None:
    copies = [deepcopy(message) for message in messages]
    del field[:]
    field.extend(copies)
