"""Errors that a step may end with, and the exit code that each one means."""

from millrace.contracts.reasons import ReasonCode

_LONGEST_CHARACTERS = 2000
_AND_MORE = " … and {:,} characters"


def legible(text: str) -> str:
    """The text for a log or a page: control characters escaped, and cut where it has more than two thousand.

    What is legible stays as it is.
    """
    escaped = text[: 2 * _LONGEST_CHARACTERS]
    if not escaped.isprintable():
        escaped = "".join(sign if sign == "\n" or sign.isprintable() else repr(sign)[1:-1] for sign in escaped)
    if len(text) <= len(escaped) <= _LONGEST_CHARACTERS + len(_AND_MORE) + 20:
        return escaped
    return escaped[:_LONGEST_CHARACTERS] + _AND_MORE.format(max(len(text), len(escaped)) - _LONGEST_CHARACTERS)


class StepError(Exception):
    """What went wrong, where, which rule it broke, and what to do about it.

    ``exit_code`` is the step protocol's: 10 bad input (never retried), 20 transient (retried),
    30 interrupted and resumable, 40 refused by policy (never retried). ``code`` says why more closely: what follows
    is decided by the two, never by the texts, which are ``legible``.
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
        """What went wrong and where, on one line."""
        return f"{self.what} ({self.where})"


class BadInputError(StepError):
    """The data, the model or a parameter is wrong; trying again would not help."""

    exit_code = 10
    code = ReasonCode.BAD_INPUT


class TransientError(StepError):
    """Something outside failed for the moment; the same step may succeed later."""

    exit_code = 20


class DeviceMemoryError(StepError):
    """The GPU, or the processor's own memory, does not hold what training feeds it at once.

    Tried again, the step goes on from its checkpoint with half as many rows at once.
    """

    exit_code = 20
    code = ReasonCode.OUT_OF_DEVICE_MEMORY


class InterruptedStepError(StepError):
    """The step was asked to stop and left a checkpoint to go on from."""

    exit_code = 30
    code = ReasonCode.INTERRUPTED


class RefusedError(StepError):
    """A policy forbids it (a digest that does not match, a newer model that is live)."""

    exit_code = 40
    code = ReasonCode.REFUSED


class AirflowDidNotStartError(RuntimeError):
    """Airflow did not come up; the message names its log."""


FINAL_EXIT_CODES = (BadInputError.exit_code, RefusedError.exit_code)
"""A step that ended with one of these is not tried again."""
