"""Learning-rate schedule, and the optimiser that uses it."""

from typing import Any

from millrace.contracts.trainers import TrainerOptions
from millrace_train.untyped import Optimizer, Tensor


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
