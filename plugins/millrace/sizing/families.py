"""The trainers that can be sized without being traced."""

from collections.abc import Callable, Mapping
from typing import Any

from millrace.contracts.data import Profile
from millrace.contracts.errors import BadInputError
from millrace.contracts.parameters import Parameters
from millrace.contracts.workload import Workload
from millrace.sizing.mlp import mlp_size
from millrace.sizing.model_size import ModelSize
from millrace.sizing.transformer import BertShape, bucket_shares

Family = Callable[[Workload, Parameters, Profile, Mapping[str, Any] | None], ModelSize]

# The train image's own defaults, which cannot be imported here; a test holds the two together.
DEFAULT_BUCKETS = "16,32,48,64,96,128,192,256,384,512"
DEFAULT_HIDDEN = "64,32"


def model_size(
    workload: Workload, parameters: Parameters, profile: Profile, base_config: Mapping[str, Any] | None
) -> ModelSize:
    """The model that the workload's trainer builds. Raises BadInputError for an unknown trainer or a lacking config."""
    try:
        family = _FAMILIES[workload.training.trainer]
    except KeyError:
        raise BadInputError(
            f"unknown trainer {workload.training.trainer!r}",
            where="workload.training.trainer",
            rule=f"one of {sorted(_FAMILIES)}",
            remedy="name one of them, or add the family to millrace.sizing",
        ) from None
    return family(workload, parameters, profile, base_config)


def _bert(
    workload: Workload, parameters: Parameters, profile: Profile, base_config: Mapping[str, Any] | None
) -> ModelSize:
    if base_config is None:
        raise BadInputError(
            "there is no base model",
            where="workload.training.base_model",
            rule="bert_text_classifier starts from a pre-trained BERT",
            remedy="name a base model of the model store",
        )
    shape = BertShape.from_config(base_config)
    max_length = parameters.max_length or workload.training.max_length or shape.positions
    if max_length > shape.positions:
        raise BadInputError(
            f"{max_length} tokens are more than the base model takes",
            where="parameters.max_length",
            rule=f"at most {shape.positions}",
            remedy="lower max_length, or choose another base model",
        )
    buckets = _numbers(workload, "buckets", DEFAULT_BUCKETS)
    shares = bucket_shares(profile.token_lengths, buckets, max_length)
    return shape.size(shares, len(workload.dataset.target.labels))


def _mlp(
    workload: Workload, parameters: Parameters, profile: Profile, base_config: Mapping[str, Any] | None
) -> ModelSize:
    hidden = _numbers(workload, "hidden", DEFAULT_HIDDEN)
    return mlp_size(len(workload.dataset.features), hidden, len(workload.dataset.target.labels))


def _numbers(workload: Workload, option: str, default: str) -> tuple[int, ...]:
    given = str(workload.training.options.get(option, default))
    try:
        numbers = tuple(int(part) for part in given.split(","))
    except ValueError:
        numbers = ()
    if not numbers or min(numbers) < 1:
        raise BadInputError(
            f"{given!r} is no list of sizes",
            where=f"workload.training.options.{option}",
            rule="whole numbers above 0 with commas between them",
            remedy=f"write it like {default!r}",
        )
    return numbers


_FAMILIES: dict[str, Family] = {"bert_text_classifier": _bert, "mlp_classifier": _mlp}
