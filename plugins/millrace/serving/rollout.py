"""Rollout of a candidate: load it, send smoke requests, raise its share of the requests in steps, watch it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from millrace.contracts.errors import StepError
from millrace.serving.traffic import Replacement, RolloutRevertedError, Traffic


@dataclass(frozen=True)
class PausedRollout:
    """A paused rollout: its last step could not be judged, for ``reason``, and the candidate keeps its share.

    ``steps`` is the number of steps taken, ``stable`` the stable version, ``replicas`` the number of servers.
    """

    stable: str
    steps: int
    replicas: int
    reason: str


class Rollout:
    """Rollout of one candidate; ``traffic`` shifts the requests.

    The stable version stays loaded until ``finish``, and answers alone again after any error.
    """

    def __init__(self, replacement: Replacement, traffic: Traffic) -> None:
        self._traffic = traffic
        self._candidate, self._stable = replacement.candidate, replacement.stable
        self._progress = replacement.progress
        self._watch_seconds = replacement.policy.watch_seconds
        steps = replacement.policy.canary_steps if replacement.comparable else (100,)
        self._shares = (0, *steps) if self._stable else (100,)

    @property
    def address(self) -> str:
        """Address of the workload's versions, which never changes."""
        return self._traffic.address

    def advance(self) -> PausedRollout | None:
        """Raise the candidate's share from 0 to 100 % of the requests; return None when it answers all of them.

        Returns PausedRollout at a step that cannot be judged; a person then decides by ``go_on`` or ``reject``. Raises
        RolloutRevertedError if the candidate does not load or a step fails, and other errors of its traffic. A second
        call begins with the first step.
        """
        self._traffic.claim()
        with self._or_back():
            return self._steps(0, self._traffic.bring_up())

    def go_on(self, held: PausedRollout) -> PausedRollout | None:
        """Continue a held rollout with the next share, after a person's approval; returns and raises as ``advance``."""
        self._traffic.refuse_overtaken(held.stable)
        with self._or_back():
            return self._steps(held.steps + 1, held.replicas)

    def reject(self, held: PausedRollout, reason: str) -> RolloutRevertedError:
        """Revert a held rollout, after a person's rejection; return the error that ends the rollout."""
        self._traffic.refuse_overtaken(held.stable)
        self._back(reason)
        return self._reverted(reason)

    def watch(self) -> None:
        """Replay rows for ``policy.watch_seconds`` while only the candidate answers. Raises as ``advance``."""
        self._traffic.refuse_overtaken()
        with self._or_back():
            found = self._traffic.replay(self._watch_seconds)
            self._progress(f"watched for {self._watch_seconds:g} s: {found}")

    def finish(self) -> None:
        """Make the candidate the only version; called after the ledger has made it live."""
        self._traffic.settle()

    def abandon(self, reason: str) -> bool:
        """Revert if this rollout was left unfinished and no other has replaced it; return whether it was reverted."""
        if not self._traffic.is_unfinished():
            return False
        self._back(reason)
        return True

    def _steps(self, first: int, servers: int) -> PausedRollout | None:
        """Give the shares in turn from the ``first``, of which 0 is given already; stop at one without a verdict."""
        for number, percent in enumerate(self._shares[first:], start=first):
            share = self._traffic.give(percent, servers) if number else f"{percent} %"
            verdict = self._traffic.trial(percent)
            for reason in verdict.reasons:
                self._progress(f"{share}: {verdict.outcome}: {reason}")
            if verdict.outcome == "fail":
                raise self._reverted(f"at {share}: fail: {verdict.reasons[0]}")
            if verdict.outcome == "inconclusive" and self._stable is not None:
                return PausedRollout(self._stable.version, number, servers, f"at {share}: {verdict.reasons[0]}")
        return None

    def _back(self, reason: str) -> None:
        if self._traffic.back():
            self._progress(f"back to version {self._stable.version} alone: {reason}" if self._stable else reason)

    def _reverted(self, reason: str) -> RolloutRevertedError:
        return RolloutRevertedError(reason, where=f"{self._candidate.workload} / {self._candidate.version}")

    @contextmanager
    def _or_back(self) -> Iterator[None]:
        try:
            yield
        except StepError as error:
            self._back(error.what)
            ended = self._traffic.ended_by(error)
            if ended is error:
                raise
            raise ended from error
        except BaseException as error:
            self._back(f"{type(error).__name__}: {error}")
            raise
