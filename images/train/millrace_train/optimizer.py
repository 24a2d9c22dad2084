"""AdamW with its learning-rate schedule, and gradient accumulation: loss, step and checkpoint stay the same.

Gradients are accumulated for a device that cannot hold a whole batch. Keras sums the gradients of ``parts`` calls and
steps at the last one. Its counter counts calls, so a checkpoint keeps the counter of steps and no partial sums: a run
can resume from it with any number of parts.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from millrace.contracts.trainers import TrainerOptions
from millrace_train.store import ModelInput, share
from millrace_train.untyped import Optimizer, Tensor
from millrace_train.weights import Arrays, assign_variables, read_variables

_PREFIX = "optimizer"
_SUM = "gradient_accumulator"


def warmup_steps(total_steps: int, share: float) -> int:
    """Return the number of warm-up steps: ``share`` of all steps, and at most all but one."""
    return min(round(total_steps * share), total_steps - 1)


def adamw(learning_rate: float, total_steps: int, options: TrainerOptions, parts: int = 1) -> Optimizer:
    """Return AdamW whose rate rises linearly to ``learning_rate`` and then falls linearly to 0 at ``total_steps``.

    Weight decay is decoupled (Loshchilov and Hutter, 2019) and excludes biases and normalisation; the warm-up is that
    of BERT (Devlin et al., 2019, appendix A.2). A step takes ``parts`` calls; the schedule converts Keras's count of
    calls into steps.
    """
    import keras

    ops = keras.ops
    rising = warmup_steps(total_steps, options.warmup_share)

    class LinearWarmupAndDecay(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
        def __call__(self, step: Tensor) -> Tensor:
            step = ops.cast(step // parts, "float32")
            up = (step + 1.0) / (rising + 1.0)
            down = (total_steps - step) / max(total_steps - rising, 1)
            return learning_rate * ops.clip(ops.minimum(up, down), 0.0, 1.0)

        def get_config(self) -> dict[str, Any]:
            return {"learning_rate": learning_rate, "total_steps": total_steps}

    optimizer = keras.optimizers.AdamW(
        LinearWarmupAndDecay(),
        weight_decay=options.weight_decay,
        global_clipnorm=options.clip_norm,
        gradient_accumulation_steps=parts if parts > 1 else None,
    )
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer


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
            variable.assign(np.zeros(tuple(variable.shape), variable.dtype))


def _lasting(optimizer: Optimizer) -> list[Any]:
    return [variable for variable in optimizer.variables if not _is_sum(variable)]


def _is_sum(variable: Any) -> bool:  # noqa: ANN401 - Keras's
    return str(variable.path).endswith(_SUM)


def _counter(optimizer: Optimizer) -> str:
    return f"{_PREFIX}/{optimizer.variables[0].path}"
