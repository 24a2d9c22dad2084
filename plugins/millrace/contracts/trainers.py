"""Registry of trainers: the options of each one, and its requirements on a workload.

A trainer that is added to the train image is declared here too, so that mistakes are reported before anything runs.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from pydantic import Field, ValidationError

from millrace.contracts.base import Contract
from millrace.contracts.column_types import ColumnKind
from millrace.contracts.dataset_rules import find_column
from millrace.contracts.errors import BadInputError
from millrace.contracts.mistakes import Mistake, meant, written
from millrace.contracts.parameters import Parameters
from millrace.contracts.plain_words import mistakes_of
from millrace.contracts.workload import Option, Workload

_LIST_PATTERN = r"^[1-9][0-9]{0,5}(,[1-9][0-9]{0,5})*$"


class TrainerOptions(Contract):
    """Options of every trainer."""

    precision: Literal["float32", "mixed_bfloat16"] = Field(
        default="float32", description="mixed_bfloat16 is faster where the processor multiplies bfloat16 (AMX, GPUs)"
    )
    checkpoint_seconds: float = Field(default=30.0, gt=0, le=86_400, description="minimum time between two checkpoints")
    weight_decay: float = Field(default=0.01, ge=0, le=1)
    warmup_share: float = Field(default=0.1, ge=0, le=0.9, description="share of the steps with a rising learning rate")
    clip_norm: float = Field(default=1.0, gt=0, description="largest global norm of the gradients")
    baseline: bool = Field(default=True, description="evaluate also fits logistic regression on the same rows")


class BertOptions(TrainerOptions):
    """Options of bert_text_classifier."""

    dropout: float = Field(default=0.1, ge=0, lt=1, description="before the last layer")
    buckets: str = Field(
        default="16,32,48,64,96,128,192,256,384,512",
        pattern=_LIST_PATTERN,
        description="token lengths that batches are padded to, ascending; lengths above max_length are ignored",
    )


class MlpOptions(TrainerOptions):
    """Options of mlp_classifier."""

    hidden: str = Field(default="64,32", pattern=_LIST_PATTERN, description="units of each hidden layer")
    dropout: float = Field(default=0.0, ge=0, lt=1, description="after each hidden layer")


@dataclass(frozen=True)
class TrainerDemands:
    """A trainer's requirements on a workload: texts and a base model, or numbers and bools."""

    options: type[TrainerOptions]
    takes_text: bool

    @property
    def features(self) -> str:
        """The accepted types of features, as text."""
        return "columns of type string" if self.takes_text else "numbers and bool: integers, floats and decimals"

    def takes(self, kind: ColumnKind) -> bool:
        """Whether a column of this type may be a feature."""
        return kind.kind == "string" if self.takes_text else kind.is_number or kind.kind == "bool"


TRAINERS: dict[str, TrainerDemands] = {
    "bert_text_classifier": TrainerDemands(BertOptions, takes_text=True),
    "mlp_classifier": TrainerDemands(MlpOptions, takes_text=False),
}


def numbers(text: str) -> tuple[int, ...]:
    """Parse a comma-separated list of integers."""
    return tuple(int(part) for part in text.split(","))


O = TypeVar("O", bound=TrainerOptions)  # noqa: E741


def parse_options(kind: type[O], given: Mapping[str, Option]) -> O:
    """Return a trainer's options. Raises BadInputError if one is unknown, of another type or out of bounds."""
    try:
        return kind.model_validate(dict(given), strict=True)
    except ValidationError as error:
        first = mistakes_of(error, kind, ("training", "options"))[0]
        rule = f"{first.rule}; the trainer's options are {', '.join(kind.model_fields)}"
        where = f"workload.{written(first.place)}"
        raise BadInputError(first.what, where=where, rule=rule, remedy=first.remedy) from error


def known_trainer(workload: Workload) -> Iterator[Mistake]:
    """Check that the trainer is one of TRAINERS."""
    name = workload.training.trainer
    if name not in TRAINERS:
        yield Mistake(
            ("training", "trainer"),
            f"unknown trainer {name!r}",
            f"one of {', '.join(sorted(TRAINERS))}",
            meant(name, TRAINERS, "name one of them, or add yours to contracts/trainers.py and the train image"),
        )


def options(workload: Workload) -> Iterable[Mistake]:
    """Check that the options are known to the trainer, of their types and within their bounds."""
    demands = TRAINERS.get(workload.training.trainer)
    if demands is None:
        return ()
    try:
        demands.options.model_validate(dict(workload.training.options), strict=True)
    except ValidationError as error:
        return mistakes_of(error, demands.options, ("training", "options"))
    return ()


def features(workload: Workload) -> Iterator[Mistake]:
    """Check that features are of types that the trainer takes, and not nullable."""
    trainer, dataset = workload.training.trainer, workload.dataset
    demands = TRAINERS.get(trainer)
    if demands is None:
        return
    for index, name in enumerate(dataset.features):
        column = find_column(dataset, name)
        if column is None or name in (dataset.target.column, dataset.split.column):
            continue
        if not demands.takes(column.kind):
            yield Mistake(
                ("dataset", "features", index),
                f"{trainer} cannot take the features {name!r}, which is {column.type}",
                f"its features are {demands.features}",
                "leave it out of features, change its type, or choose another trainer",
            )
        if column.nullable:
            yield Mistake(
                ("dataset", "columns", dataset.columns.index(column), "nullable"),
                f"the feature {name!r} is nullable",
                f"features of {trainer} are complete",
                "leave it out of features, or leave nullable out, so that validation stops rows without it",
            )


def text(workload: Workload) -> Iterator[Mistake]:
    """Check that a trainer of texts has a base model and a maximum length in tokens."""
    training = workload.training
    demands = TRAINERS.get(training.trainer)
    if demands is None or not demands.takes_text:
        return
    if training.base_model is None:
        yield Mistake(
            ("training", "base_model"),
            f"{training.trainer} lacks a base_model",
            "a trainer of texts starts from a pre-trained model",
            'name one of the model store, such as base_model="minilm-l6"; '
            "`python -m millrace base-model add` brings one in",
        )
    if training.max_length is None:
        yield Mistake(
            ("training", "max_length"),
            f"{training.trainer} lacks a max_length",
            "a trainer of texts cuts them at a number of tokens",
            "set max_length, such as 128",
        )


def defaults(workload: Workload) -> Iterable[Mistake]:
    """Check that the training's defaults are valid run parameters."""
    training = workload.training
    given: dict[str, Any] = {
        name: getattr(training, name) for name in ("epochs", "batch_size", "learning_rate", "max_length")
    }
    try:
        Parameters.model_validate(given)
    except ValidationError as error:
        return mistakes_of(error, Parameters, ("training",))
    return ()


RULES = (known_trainer, options, features, text, defaults)
