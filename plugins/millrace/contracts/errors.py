"""Errors of steps, with the exit code of each."""

from millrace.contracts.reasons import ReasonCode

_LONGEST_CHARACTERS = 2000
_AND_MORE = " … and {:,} characters"


def legible(text: str) -> str:
    """Return the text safe for a log or a page: control characters escaped, and cut after 2,000 characters.

    Legible text, its own results included, is returned unchanged.
    """
    escaped = text[: 2 * _LONGEST_CHARACTERS]
    if not escaped.isprintable():
        escaped = "".join(sign if sign == "\n" or sign.isprintable() else repr(sign)[1:-1] for sign in escaped)
    if len(text) <= len(escaped) <= _LONGEST_CHARACTERS + len(_AND_MORE) + 20:
        return escaped
    return escaped[:_LONGEST_CHARACTERS] + _AND_MORE.format(max(len(text), len(escaped)) - _LONGEST_CHARACTERS)


class StepError(Exception):
    """Error of a step: what went wrong, where, which rule it violates, and the remedy.

    ``exit_code`` is the step protocol's: 10 bad input (never retried), 20 transient (retried),
    30 interrupted and resumable, 40 refused by policy (never retried). ``code`` is the reason in more detail. Decisions
    use these two, never the texts, which are passed through ``legible``.
    """

    exit_code = 20
    code = ReasonCode.TRANSIENT

    def __init__(self, what: str, *, where: str, rule: str, remedy: str, code: ReasonCode | None = None) -> None:
        what, where, rule, remedy = map(legible, (what, where, rule, remedy))
        super().__init__(f"{what}\n  where:  {where}\n  rule:   {rule}\n  remedy: {remedy}")
        self.what = what
        self.where = where
        self.rule = rule
        self.remedy = remedy
        self.code = code or type(self).code

    @property
    def summary(self) -> str:
        """What went wrong and where, in one line."""
        return f"{self.what} ({self.where})"


class BadInputError(StepError):
    """The data, the model or a parameter is wrong; a retry cannot succeed."""

    exit_code = 10
    code = ReasonCode.BAD_INPUT


class TransientError(StepError):
    """An external system failed temporarily; a retry of the same step may succeed."""

    exit_code = 20


class DeviceMemoryError(StepError):
    """A micro-batch of training does not fit the memory of the GPU, or of the host.

    On retry, the step resumes from its checkpoint with half as many rows in a micro-batch.
    """

    exit_code = 20
    code = ReasonCode.OUT_OF_DEVICE_MEMORY


class InterruptedStepError(StepError):
    """The step was asked to stop and saved a checkpoint to resume from."""

    exit_code = 30
    code = ReasonCode.INTERRUPTED


class RefusedError(StepError):
    """A policy forbids the action (a digest does not match, a newer model is live)."""

    exit_code = 40
    code = ReasonCode.REFUSED


class AirflowDidNotStartError(RuntimeError):
    """Airflow did not start; the message names its log."""


FINAL_EXIT_CODES = (BadInputError.exit_code, RefusedError.exit_code)
"""Exit codes after which a step is not retried."""
