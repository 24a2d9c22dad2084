"""``python -m millrace_train --spec URI``: the steps train, export and evaluate."""

from functools import partial
from importlib import import_module

from millrace.contracts.report import Result
from millrace.contracts.run_spec import RunSpec
from millrace.step.main import Stop, leave, main


def _step(name: str, spec: RunSpec, stop: Stop) -> Result | None:
    module = import_module(f"millrace_train.{name}")  # a step imports only what it needs
    result: Result | None = getattr(module, name)(spec, stop)
    return result


if __name__ == "__main__":
    leave(main({name: partial(_step, name) for name in ("train", "export", "evaluate")}))
