"""``python -m millrace_train --spec URI``: the steps train, export and evaluate."""

from millrace.contracts.report import EvaluateResult, ExportResult, TrainResult
from millrace.contracts.run_spec import RunSpec
from millrace.step.main import Stop, leave, main


def _train(spec: RunSpec, stop: Stop) -> TrainResult | None:
    from millrace_train.train import train

    return train(spec, stop)


def _export(spec: RunSpec, stop: Stop) -> ExportResult:
    from millrace_train.export import export

    return export(spec, stop)


def _evaluate(spec: RunSpec, stop: Stop) -> EvaluateResult:
    from millrace_train.evaluate import evaluate

    return evaluate(spec, stop)


if __name__ == "__main__":
    leave(main({"train": _train, "export": _export, "evaluate": _evaluate}))
