"""``python -m millrace_data --spec URI``: the steps ingest and validate."""

from millrace.contracts.report import Result
from millrace.contracts.run_spec import RunSpec
from millrace.step.main import Stop, leave, main
from millrace_data.ingest import ingest


def _validate(spec: RunSpec, stop: Stop) -> Result:
    from millrace_data.validate import validate  # it imports Great Expectations, which takes seconds

    return validate(spec, stop)


if __name__ == "__main__":
    leave(main({"ingest": ingest, "validate": _validate}))
