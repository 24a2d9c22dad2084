"""Gradient accumulation for a device that cannot hold a whole batch: loss, step and checkpoint stay the same.

Keras sums the gradients of ``parts`` calls and steps at the last one. Its counter counts calls, so a checkpoint keeps
the counter of steps and no partial sums: a run can resume from it with any number of parts.
"""

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from millrace_train.batches import ModelInput, share
from millrace_train.untyped import Optimizer
from millrace_train.variables import Arrays, assign_variables, read_variables

_PREFIX = "optimizer"
_SUM = "gradient_accumulator"


def parts_of(batch_size: int, rows_at_once: int) -> int:
    """Return the number of calls for a batch; 1 if it is fed whole."""
    return math.ceil(batch_size / rows_at_once)


def loss_reduction(parts: int) -> str:
    """Return the loss reduction with which the parts of ``split`` give the mean over a batch's real rows."""
    return "mean_with_sample_weight" if parts == 1 else "sum_over_batch_size"


def split(given: ModelInput, parts: int) -> Iterator[ModelInput]:
    """Yield equal parts of a batch whose number of rows is a multiple of ``parts``.

    Each real row keeps its weight in the whole batch, so that the mean of the parts' losses is the batch's loss even
    if the parts hold different numbers of real rows.
    """
    if parts == 1:
        yield given
        return
    weights = given.weights * np.float32(len(given.weights) / given.weights.sum())
    whole = replace(given, weights=weights)
    yield from (share(whole, part, parts) for part in range(parts))


def read_optimizer(optimizer: Optimizer, parts: int) -> Arrays:
    """Return the optimiser's state between two steps, with its counter in steps."""
    arrays = read_variables(_PREFIX, _lasting(optimizer))
    counter = _counter(optimizer)
    arrays[counter] = np.asarray(arrays[counter] // parts)
    return arrays


def assign_optimizer(optimizer: Optimizer, parts: int, arrays: Arrays, where: str) -> None:
    """Set the state that ``read_optimizer`` returned. Raises RefusedError as `assign_variables` does."""
    counter = _counter(optimizer)
    calls = {counter: np.asarray(arrays[counter] * parts)} if counter in arrays else {}
    assign_variables(_PREFIX, _lasting(optimizer), {**arrays, **calls}, where)
    for variable in optimizer.variables:
        if _is_sum(variable):
            variable.assign(_zeros(variable))


def _zeros(variable: Any) -> NDArray[Any]:  # noqa: ANN401 - Keras's
    return np.zeros(tuple(variable.shape), variable.dtype)


def _lasting(optimizer: Optimizer) -> list[Any]:
    return [variable for variable in optimizer.variables if not _is_sum(variable)]


def _is_sum(variable: Any) -> bool:  # noqa: ANN401 - Keras's
    return str(variable.path).endswith(_SUM)


def _counter(optimizer: Optimizer) -> str:
    return f"{_PREFIX}/{optimizer.variables[0].path}"
