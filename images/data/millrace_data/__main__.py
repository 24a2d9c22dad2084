"""Command ``python -m millrace_data --spec URI``: run the step ingest or validate."""

from millrace.contracts.report import Result
from millrace.contracts.run_spec import RunSpec
from millrace.step.main import Stop, leave, main
from millrace_data.ingest import ingest


def _validate(spec: RunSpec, stop: Stop) -> Result:
    from millrace_data.validate import validate  # Great Expectations takes seconds to import

    return validate(spec, stop)


if __name__ == "__main__":
    leave(main({"ingest": ingest, "validate": _validate}))
