"""How each trainer's model is built; what it asks of a workload is in ``millrace.contracts.trainers``."""

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
    """A family of models. ``build`` gives a Keras model whose one output is probabilities [rows, labels]."""

    name: str
    build: Callable[[ModelShape, Any], Any]

    @property
    def options(self) -> type[TrainerOptions]:
        """What a workload's options are read as."""
        return trainers.TRAINERS[self.name].options

    @property
    def takes_text(self) -> bool:
        """Whether features are texts; numbers otherwise."""
        return trainers.TRAINERS[self.name].takes_text


TRAINERS = {
    trainer.name: trainer
    for trainer in (
        Trainer("bert_text_classifier", bert_text_classifier.build),
        Trainer("mlp_classifier", mlp_classifier.build),
    )
}


def find_trainer(workload: Workload) -> Trainer:
    """The trainer that the workload names. Raises BadInputError where it is unknown or cannot take these features."""
    require(workload, (trainers.known_trainer, trainers.features))
    name = workload.training.trainer
    if name not in TRAINERS:
        raise unknown_trainer(name)
    return TRAINERS[name]


def unknown_trainer(name: str) -> BadInputError:
    """The error of a trainer that this image does not have."""
    return BadInputError(
        f"unknown trainer {name!r}",
        where="workload.training.trainer",
        rule=f"one of {sorted(TRAINERS)}",
        remedy="name one of them, or add yours to contracts/trainers.py and the train image's registry",
    )
