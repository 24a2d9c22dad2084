"""The options of trainers: a workload's ``training.options``, typed and bounded."""

from collections.abc import Mapping
from typing import Literal, TypeVar

from pydantic import Field, ValidationError

from millrace.contracts.base import Contract
from millrace.contracts.errors import BadInputError
from millrace.contracts.workload import Option

_LIST_PATTERN = r"^[1-9][0-9]{0,5}(,[1-9][0-9]{0,5})*$"


class TrainerOptions(Contract):
    """What every trainer takes."""

    precision: Literal["float32", "mixed_bfloat16"] = Field(
        default="float32", description="mixed_bfloat16 is quicker where the processor multiplies bfloat16 (AMX, GPUs)"
    )
    checkpoint_seconds: float = Field(default=30.0, gt=0, le=86_400, description="between two checkpoints, at least")
    weight_decay: float = Field(default=0.01, ge=0, le=1)
    warmup_share: float = Field(default=0.1, ge=0, le=0.9, description="of all steps, with a rising learning rate")
    clip_norm: float = Field(default=1.0, gt=0, description="largest norm of all gradients together")
    baseline: bool = Field(default=True, description="evaluate fits logistic regression on the same rows")


class BertOptions(TrainerOptions):
    """Options of bert_text_classifier."""

    dropout: float = Field(default=0.1, ge=0, lt=1, description="before the last layer")
    buckets: str = Field(
        default="16,32,48,64,96,128,192,256,384,512",
        pattern=_LIST_PATTERN,
        description="token lengths that batches are padded to, rising; lengths past max_length are left out",
    )


class MlpOptions(TrainerOptions):
    """Options of mlp_classifier."""

    hidden: str = Field(default="64,32", pattern=_LIST_PATTERN, description="units of each hidden layer")
    dropout: float = Field(default=0.0, ge=0, lt=1, description="after each hidden layer")


def numbers(text: str) -> tuple[int, ...]:
    """The whole numbers of a comma-separated list."""
    return tuple(int(part) for part in text.split(","))


O = TypeVar("O", bound=TrainerOptions)  # noqa: E741


def parse_options(kind: type[O], given: Mapping[str, Option]) -> O:
    """A trainer's options. Raises BadInputError for one that is unknown, of another type or out of bounds."""
    try:
        return kind.model_validate(dict(given), strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise BadInputError(
            f"option {name!r}: {first['msg']}",
            where=f"workload.training.options.{name}",
            rule=f"the trainer's options are {sorted(kind.model_fields)}",
            remedy="correct the option or leave it out for its default",
        ) from error
