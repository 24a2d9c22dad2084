"""Registry of the trainers' model builders; their options and features are in ``millrace.contracts.trainers``."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from millrace.contracts import trainers
from millrace.contracts.errors import BadInputError
from millrace.contracts.trainers import TrainerOptions
from millrace.contracts.workload import Workload
from millrace.contracts.workload_rules import require
from millrace_train.trainers import bert_text_classifier, mlp_classifier
from millrace_train.trainers.shape import ModelShape


@dataclass(frozen=True)
class Trainer:
    """A family of models; ``build`` returns a Keras model with one output, the probabilities [rows, labels]."""

    name: str
    build: Callable[[ModelShape, Any], Any]

    @property
    def options(self) -> type[TrainerOptions]:
        """The class that parses a workload's options."""
        return trainers.TRAINERS[self.name].options

    @property
    def takes_text(self) -> bool:
        """Whether the features are texts and not numbers."""
        return trainers.TRAINERS[self.name].takes_text


TRAINERS = {
    trainer.name: trainer
    for trainer in (
        Trainer("bert_text_classifier", bert_text_classifier.build),
        Trainer("mlp_classifier", mlp_classifier.build),
    )
}


def find_trainer(workload: Workload) -> Trainer:
    """Return the workload's trainer. Raises BadInputError if it is unknown or does not support the features."""
    require(workload, (trainers.known_trainer, trainers.features))
    name = workload.training.trainer
    if name not in TRAINERS:
        raise unknown_trainer(name)
    return TRAINERS[name]


def unknown_trainer(name: str) -> BadInputError:
    """Return the error for a trainer that this image does not have."""
    return BadInputError(
        f"unknown trainer {name!r}",
        where="workload.training.trainer",
        rule=f"one of {sorted(TRAINERS)}",
        remedy="name one of them, or add yours to contracts/trainers.py and the train image's registry",
    )
