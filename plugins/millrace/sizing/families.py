"""Trainers and their models' sizes: by formula for known families, otherwise by a trace from the train image."""

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from millrace.contracts.data import Profile
from millrace.contracts.errors import BadInputError
from millrace.contracts.parameters import Parameters
from millrace.contracts.traced import TracedModel, TraceRequest
from millrace.contracts.trainers import BertOptions, MlpOptions
from millrace.contracts.workload import Workload
from millrace.sizing.coefficients import FLOAT_BYTES
from millrace.sizing.job import Layer, ModelSize
from millrace.sizing.transformer import Head, TransformerShape, bucket_shares

Family = Callable[[Workload, Parameters, Profile, Mapping[str, Any] | None], ModelSize]

DEFAULT_BUCKETS, DEFAULT_HIDDEN = BertOptions().buckets, MlpOptions().hidden


def model_size(
    workload: Workload,
    parameters: Parameters,
    profile: Profile,
    base_config: Mapping[str, Any] | None,
    traced: TracedModel | None = None,
) -> ModelSize:
    """Return the size of the workload's model, by its family's formula or else by its trace.

    Raises BadInputError for a trainer without family and trace, and for a missing configuration.
    """
    family = _FAMILIES.get(workload.training.trainer)
    if family is not None:
        return family(workload, parameters, profile, base_config)
    if traced is None:
        raise BadInputError(
            f"unknown trainer {workload.training.trainer!r}, and no trace of its model",
            where="workload.training.trainer",
            rule=f"one of {sorted(_FAMILIES)}, or a model that was traced",
            remedy=f"trace it once in the train image: python -m millrace trace-model {workload.name}",
        )
    shares = {0: 1.0}
    if profile.token_lengths is not None:
        shares = bucket_shares(
            profile.token_lengths, _traced_lengths(workload, parameters), _longest(workload, parameters)
        )
    return traced_size(traced, shares)


def is_known(workload: Workload) -> bool:
    """Return whether the workload's model can be sized without a trace."""
    return workload.training.trainer in _FAMILIES


def trace_request(workload: Workload, parameters: Parameters, base_config: Mapping[str, Any] | None) -> TraceRequest:
    """Return the instructions by which the train image traces this workload's model."""
    return TraceRequest(
        trainer=workload.training.trainer,
        options=workload.training.options,
        labels=len(workload.dataset.target.labels),
        single_label=workload.dataset.target.kind == "single_label",
        features=len(workload.dataset.features),
        base_config=None if base_config is None else dict(base_config),
        lengths=_traced_lengths(workload, parameters) if _longest(workload, parameters) else (0,),
    )


def traced_size(traced: TracedModel, row_shares: Mapping[int, float]) -> ModelSize:
    """Return the size of a traced model for rows of these lengths.

    A length between two traced ones counts as the longer.
    """
    by_length = sorted(traced.lengths, key=lambda each: each.length)
    layers = {}
    for length in row_shares:
        at = next((each for each in by_length if each.length >= length), by_length[-1])
        values = at.kept_bytes / FLOAT_BYTES
        whole = Layer("model", parameters=traced.parameters, moved_values=values, kept_values=values)
        layers[length] = (
            whole,
            *(Layer(name, forward_flops=ahead, backward_flops=back) for name, (ahead, back) in at.layers.items()),
        )
    return ModelSize(row_shares=row_shares, layers=layers)


def _longest(workload: Workload, parameters: Parameters) -> int:
    return parameters.max_length or workload.training.max_length or 0


def _traced_lengths(workload: Workload, parameters: Parameters) -> tuple[int, ...]:
    longest = _longest(workload, parameters)
    return (*(each for each in _numbers(workload, "buckets", DEFAULT_BUCKETS) if each < longest), longest)


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
    shape = TransformerShape.from_config(base_config)
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
    return shape.size(shares, Head("classifier", labels=len(workload.dataset.target.labels)))


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


def mlp_size(features: int, hidden: Sequence[int], labels: int) -> ModelSize:
    """Return the size of a perceptron with these hidden layers; weights and biases, without the standardisation.

    Training needs no gradient by the first layer's inputs: its backward pass is one product, that of the others two.
    """
    widths = list(pairwise([features, *hidden, labels]))
    layers = tuple(
        Layer(
            f"dense_{at}",
            parameters=inner * outer + outer,
            forward_flops=2.0 * inner * outer,
            backward_flops=(4.0 if at else 2.0) * inner * outer,
            matrix_values=inner + outer,
            moved_values=4.0 * outer,
            kept_values=2.0 * outer + (0 if at else 2.0 * inner),
            kernels=3,
        )
        for at, (inner, outer) in enumerate(widths)
    )
    return ModelSize(row_shares={0: 1.0}, layers={0: layers})
