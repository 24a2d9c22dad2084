"""Main program of every image: ``python -m millrace_<image> --spec URI``."""

import argparse
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from types import FrameType
from typing import NoReturn

from pydantic import ValidationError

from millrace.contracts.errors import BadInputError, InterruptedStepError, StepError
from millrace.contracts.measurement import MeterReading
from millrace.contracts.reasons import ReasonCode
from millrace.contracts.report import ErrorDetail, Report, Result
from millrace.contracts.run_spec import METER_FILE, REPORT_FILE, RunSpec
from millrace.energy.meter import Meter
from millrace.storage import files

log = logging.getLogger("millrace")


class Skip(Exception):  # noqa: N818 - nothing went wrong
    """There is no new data to process, which is not an error; ``result`` has the findings so far, if any."""

    def __init__(self, reason: str, result: Result | None = None) -> None:
        super().__init__(reason)
        self.result = result


class Stop:
    """Stop flag, set by SIGTERM; long work reads ``requested`` between units and saves its progress."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def request(self, _signal: int = 0, _frame: FrameType | None = None) -> None:
        """Request that the work stops at its next safe point."""
        self._event.set()

    @property
    def requested(self) -> bool:
        """Whether the step should stop."""
        return self._event.is_set()

    def check(self, where: str) -> None:
        """Raise InterruptedStepError if a stop was requested."""
        if self.requested:
            raise InterruptedStepError(
                "asked to stop", where=where, rule="SIGTERM ends a step at its next safe point", remedy="run it again"
            )


Handler = Callable[[RunSpec, Stop], Result | None]


def main(handlers: Mapping[str, Handler], argv: list[str] | None = None) -> int:
    """Run the step that the spec names and return its exit code (see contracts.errors)."""
    parser = argparse.ArgumentParser(description=f"One Millrace step: {', '.join(handlers)}.")
    parser.add_argument(
        "--spec", required=True, metavar="URI", help="URI of the RunSpec (JSON): file://, s3://, hdfs://"
    )
    uri = parser.parse_args(argv).spec
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stdout)
    try:
        spec = RunSpec.model_validate_json(files.read_bytes(uri))
    except (ValidationError, FileNotFoundError) as error:
        print(f"The spec cannot be read.\n  where:  {uri}\n  rule:   {error}", file=sys.stderr)
        return BadInputError.exit_code
    except StepError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    stop = Stop()
    signal.signal(signal.SIGTERM, stop.request)
    meter = Meter(spec.hardware, on_reading=_keep_in(files.join(spec.attempt_uri, METER_FILE)))
    result: Result | None = None
    failure: Exception | None = None
    with meter:
        try:
            result = _handler(handlers, spec)(spec, stop)
        except Exception as error:
            # a full disk has its own error, whichever library raised it
            full = isinstance(error, OSError) and files.is_full(error)
            failure = files.storage_full(spec.attempt_uri, error) if full else error  # type: ignore[arg-type]
    report = _report(result, failure, meter.reading())
    try:
        files.write_bytes(files.join(spec.attempt_uri, REPORT_FILE), report.model_dump_json(indent=1).encode())
    except StepError as error:
        log.error("the report cannot be written, and without it the step has not succeeded: %s", error)
        return _say(report, failure) or error.exit_code
    return _say(report, failure)


def leave(code: int) -> NoReturn:
    """End the process at once, after its work is done and reported.

    A normal exit of Python can fail: pyarrow's readers release Python files in their own threads, which can abort the
    process (with HDFS 8 of 28 times), and JAX waits for a lost worker.
    """
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _handler(handlers: Mapping[str, Handler], spec: RunSpec) -> Handler:
    try:
        return handlers[spec.task.kind]
    except KeyError:
        raise BadInputError(
            f"this image has no step {spec.task.kind!r}",
            where="spec.task.kind",
            rule=f"one of {sorted(handlers)}",
            remedy="give the spec to the image that has it",
        ) from None


def _keep_in(uri: str) -> Callable[[MeterReading], None]:
    def keep(reading: MeterReading) -> None:
        try:
            files.write_bytes(uri, reading.model_dump_json().encode())
        except StepError as error:
            log.warning("the meter's reading was not kept: %s", error)

    return keep


def _report(result: Result | None, failure: Exception | None, reading: MeterReading) -> Report:
    match failure:
        case None:
            return Report(outcome="ok", reason="done", code=ReasonCode.DONE, meter=reading, result=result)
        case Skip(result=found):
            code = ReasonCode.NO_NEW_DATA
            return Report(outcome="skipped", reason=str(failure), code=code, meter=reading, result=found)
        case InterruptedStepError(what=what, code=code):
            error = ErrorDetail.of(failure)
            return Report(outcome="interrupted", reason=what, code=code, error=error, meter=reading)
        case StepError():
            reported = failure
        case MemoryError():
            reported = StepError(
                f"memory ran out: {failure}".rstrip(": "),
                where="the step's process",
                rule="what the step holds at once fits into its memory",
                remedy="give the step more memory; of Parquet, write smaller row groups",
                code=ReasonCode.OUT_OF_MEMORY,
            )
        case _:
            reported = StepError(
                f"{type(failure).__name__}: {failure}",
                where="the step's log has the traceback",
                rule="no unexpected error",
                remedy="if it comes back after a retry, report it with the log",
                code=ReasonCode.UNFORESEEN,
            )
    return Report(
        outcome="failed", reason=reported.summary, code=reported.code, error=ErrorDetail.of(reported), meter=reading
    )


def _say(report: Report, failure: Exception | None) -> int:
    if report.error is None:
        log.info("%s: %s", report.outcome, report.reason)
        return 0
    if not isinstance(failure, StepError):
        log.error("unexpected", exc_info=failure)
    log.error("%s", failure)
    return report.error.exit_code
