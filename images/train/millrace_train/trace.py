"""``python -m millrace_train.trace``: TraceRequest from standard input, TracedModel to standard output."""

import json
import sys
import tempfile
from pathlib import Path

from millrace.contracts.errors import BadInputError
from millrace.contracts.traced import TracedLength, TracedModel, TraceRequest
from millrace.contracts.trainers import parse_options
from millrace_train import traced
from millrace_train.backend import load_keras
from millrace_train.trainers.registry import TRAINERS, unknown_trainer
from millrace_train.trainers.shape import ModelShape
from millrace_train.untyped import Model

_CONFIG_FILE = "config.json"


def trace(request: TraceRequest) -> TracedModel:
    """Build the trainer's model without weights, and trace one row at each requested length.

    Raises BadInputError for an unknown trainer or option.
    """
    trainer = TRAINERS.get(request.trainer)
    if trainer is None:
        raise unknown_trainer(request.trainer)
    options = parse_options(trainer.options, request.options)
    load_keras(backend="jax")
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / _CONFIG_FILE).write_text(json.dumps(request.base_config or {}))
        shape = ModelShape(
            labels=request.labels,
            single_label=request.single_label,
            features=request.features,
            base_folder=Path(folder) if request.base_config else None,
            pretrained=False,
            mean=(0.0,) * request.features,
            variance=(1.0,) * request.features,
        )
        model = traced.unbuilt(lambda: trainer.build(shape, options))
    return TracedModel(
        request_sha256=request.sha256,
        parameters=traced.parameters(model),
        lengths=tuple(_at(model, _inputs(request, length, trainer.takes_text), length) for length in request.lengths),
    )


def _inputs(request: TraceRequest, length: int, takes_text: bool) -> traced.Inputs:
    if takes_text:
        return {"token_ids": ((1, length), "int32"), "padding_mask": ((1, length), "bool")}
    return {"features": ((1, request.features), "float32")}


def _at(model: Model, inputs: traced.Inputs, length: int) -> TracedLength:
    return TracedLength(
        length=length,
        forward_flops=traced.forward_flops(model, inputs),
        layers=traced.layer_flops(model, inputs),
        kept_bytes=traced.kept_bytes(model, inputs),
    )


def main() -> int:
    """Run the trace; return 0, or BadInputError's exit code for a wrong request, with the reason on standard error."""
    try:
        found = trace(TraceRequest.model_validate_json(sys.stdin.read()))
    except BadInputError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    sys.stdout.write(f"{found.model_dump_json()}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
