"""Which trainers there are, and what each one needs from its workload."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from millrace.contracts.errors import BadInputError
from millrace.contracts.workload import Workload
from millrace_train.options import BertOptions, MlpOptions, TrainerOptions
from millrace_train.trainers import bert_text_classifier, mlp_classifier
from millrace_train.trainers.shape import ModelShape


@dataclass(frozen=True)
class Trainer:
    """A family of models. ``build`` gives a Keras model whose one output is probabilities [rows, labels]."""

    name: str
    options: type[TrainerOptions]
    takes_text: bool
    build: Callable[[ModelShape, Any], Any]


TRAINERS = {
    trainer.name: trainer
    for trainer in (
        Trainer("bert_text_classifier", BertOptions, True, bert_text_classifier.build),
        Trainer("mlp_classifier", MlpOptions, False, mlp_classifier.build),
    )
}


def find_trainer(workload: Workload) -> Trainer:
    """The trainer that the workload names. Raises BadInputError where it is unknown or cannot take these features."""
    name = workload.training.trainer
    trainer = TRAINERS.get(name)
    if trainer is None:
        raise BadInputError(
            f"unknown trainer {name!r}",
            where="workload.training.trainer",
            rule=f"one of {sorted(TRAINERS)}",
            remedy="name one of them, or add yours to the train image's registry",
        )
    types = {feature: workload.dataset.column(feature).type for feature in workload.dataset.features}
    if trainer.takes_text and set(types.values()) != {"string"}:
        raise BadInputError(
            f"{name} cannot take the features {types}",
            where="workload.dataset.features",
            rule="columns of type string",
            remedy="leave the other columns out, or choose another trainer",
        )
    kinds = [workload.dataset.column(feature).kind for feature in workload.dataset.features]
    if not trainer.takes_text and not all(kind.is_number or kind.kind == "bool" for kind in kinds):
        raise BadInputError(
            f"{name} cannot take the features {types}",
            where="workload.dataset.features",
            rule="columns of numbers, or bool",
            remedy="leave the other columns out, or choose another trainer",
        )
    return trainer
