"""Rollout of a candidate by one model server of this machine: smoke requests, canary steps, watch."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle

from millrace.contracts.errors import RefusedError, TransientError
from millrace.contracts.model import ModelVersion
from millrace.contracts.reasons import ReasonCode
from millrace.contracts.serving import ServingStatus, ServingTarget
from millrace.contracts.workload import ServingPolicy
from millrace.serving.client import Access, InferenceClient, RequestFailedError, Row
from millrace.serving.server_files import Progress, ServerFiles

LOAD_TIMEOUT_SECONDS = 300.0
STATUS_TIMEOUT_SECONDS = 60.0
SMOKE_REQUESTS = 20
_WATCH_PAUSE_SECONDS = 0.05
_LOOK_EVERY_SECONDS = 1.0


class RolloutRevertedError(RefusedError):
    """The rollout was reverted: the server reverted or could not load the candidate, or a request to it failed.

    The stable version continues to answer.
    """

    code = ReasonCode.ROLLOUT_REVERTED

    def __init__(self, reason: str, *, where: str) -> None:
        super().__init__(
            reason,
            where=where,
            rule="a candidate loads, answers every request and stays within the serving policy",
            remedy="the version before it still answers; read the server's log and train again",
        )
        self.reason = reason


class ServerLostError(RolloutRevertedError):
    """No server was reached: there is no verdict on the candidate, and the step is retried (exit code 20)."""

    exit_code = TransientError.exit_code
    code = TransientError.code


class Rollout:
    """Rollout of one candidate; ``rows`` are replayed in a cycle, so that no traffic is needed.

    The candidate is judged by its answers and failures. If no server is reached, requests are repeated for a while, and
    then ServerLostError ends the rollout without a verdict. If the stable version is not ``comparable``, because it
    takes other features, the candidate gets all requests in one step. ``admit`` raises if the candidate must not serve;
    it is called after each write of the serving target, so that a candidate that a person withdraws loses its share.
    """

    def __init__(
        self,
        server_files: ServerFiles,
        policy: ServingPolicy,
        candidate: ModelVersion,
        stable: ModelVersion | None,
        rows: Sequence[Row],
        progress: Progress | None = None,
        load_timeout_seconds: float = LOAD_TIMEOUT_SECONDS,
        comparable: bool = True,
        access: Access | None = None,
        admit: Callable[[], None] = lambda: None,
    ) -> None:
        self._server_files = server_files
        self._policy = policy
        self._candidate = candidate
        self._stable = None if stable == candidate else stable
        self._rows = cycle(rows)
        self._progress: Progress = progress or (lambda _: None)
        self._load_timeout_seconds = load_timeout_seconds
        self._comparable = comparable
        self._access = access
        self._admit = admit
        self._steps = policy.canary_steps if comparable else (100,)
        self._generation = 0

    def advance(self) -> ServingStatus:
        """Load the candidate beside the stable version, send smoke requests, then give it each share of the requests.

        Without a stable version the candidate becomes stable at once and then gets smoke requests. Returns the server's
        status at the last step's share. Raises RolloutRevertedError or ServingTimeoutError; after any error the serving
        target has only the stable version, if there is one.
        """
        if self._stable is None:
            self._order(self._candidate)
            self._smoke()
            return self._settled()
        with self._or_back(self._stable):
            status = self._order(self._stable, self._candidate, 0)
            self._smoke()
            for percent in self._steps:
                self._order(self._stable, self._candidate, percent)
                with self._client() as client:
                    for _ in range(self._policy.requests_per_step):
                        self._request(client)
                status = self._settled()
                self._progress(f"{percent} % of requests: {_figures(status)}")
            return status

    def watch(self) -> ServingStatus:
        """Send every request to the candidate for ``policy.watch_seconds``; the stable version stays loaded.

        Raises as ``advance``.
        """
        if self._stable is None:
            self._write_unless_there(self._candidate, None)
            self._replay_for(self._policy.watch_seconds)
            return self._settled()
        with self._or_back(self._stable):
            self._write_unless_there(self._stable, self._candidate)
            self._replay_for(self._policy.watch_seconds)
            status = self._settled()
            self._progress(f"watched for {self._policy.watch_seconds:g} s: {_figures(status)}")
            return status

    def finish(self) -> ServingStatus:
        """Make the candidate the only version; called after the ledger has made it live. Raises ServingTimeoutError."""
        return self._write_unless_there(self._candidate, None)

    def _order(self, stable: ModelVersion, canary: ModelVersion | None = None, percent: int = 0) -> ServingStatus:
        target = self._server_files.write_target(self._policy, stable, canary, percent)
        self._generation = target.generation
        self._admit()
        return self._followed(target)

    def _write_unless_there(self, stable: ModelVersion, canary: ModelVersion | None) -> ServingStatus:
        target = self._server_files.read_target()
        share = 0 if canary is None else 100
        if target is None or (target.stable, target.canary, target.canary_percent) != (stable, canary, share):
            return self._order(stable, canary, share)
        self._generation = target.generation
        return self._followed(target)

    def _followed(self, target: ServingTarget) -> ServingStatus:
        names = target.stable.version
        if target.canary is not None:
            names += f" with {target.canary_percent} % {target.canary.version}"
        status = self._server_files.wait_for(
            lambda status: status.generation >= target.generation and status.state != "loading",
            f"generation {target.generation} ({names}) to be ready",
            self._load_timeout_seconds,
            self._progress,
        )
        if status.generation > target.generation:
            raise RolloutRevertedError(
                "somebody else ordered another version meanwhile", where=self._server_files.target_uri
            )
        return self._kept(status)

    def _settled(self) -> ServingStatus:
        """Wait for the server's next status, which covers all requests until now; raise if it reports a revert."""
        seen = self._server_files.wait_for(lambda _: True, "a status", STATUS_TIMEOUT_SECONDS)
        return self._kept(
            self._server_files.wait_for(
                lambda status: (status.pid, status.sequence) != (seen.pid, seen.sequence),
                "a fresh status",
                STATUS_TIMEOUT_SECONDS,
            )
        )

    def _kept(self, status: ServingStatus) -> ServingStatus:
        if status.state in {"reverted", "failed"}:
            raise RolloutRevertedError(status.reason or status.state, where=self._server_files.status_uri)
        return status

    def _smoke(self) -> None:
        """Send requests to each version by name, alternating, so that the server can compare them before any share."""
        with self._client() as client:
            for _ in range(max(SMOKE_REQUESTS, self._policy.requests_per_step)):
                self._send(client, self._candidate)
                self._ask_stable(client)
        self._progress(f"version {self._candidate.version} answers when asked by name")

    def _replay_for(self, seconds: float) -> None:
        ends_at = time.monotonic() + seconds
        look_at = time.monotonic() + _LOOK_EVERY_SECONDS
        with self._client() as client:
            while time.monotonic() < ends_at:
                self._request(client)
                time.sleep(_WATCH_PAUSE_SECONDS)
                if time.monotonic() >= look_at:
                    self._kept(self._server_files.wait_for(lambda _: True, "a status", STATUS_TIMEOUT_SECONDS))
                    look_at = time.monotonic() + _LOOK_EVERY_SECONDS

    def _request(self, client: InferenceClient) -> None:
        """Send one request as clients do and one to the stable version, so that a slow machine slows both."""
        self._send(client, None)
        self._ask_stable(client)

    def _send(self, client: InferenceClient, version: ModelVersion | None) -> None:
        try:
            client.infer_patiently([next(self._rows)], version.version if version else None)
        except RequestFailedError as error:
            if error.is_out_of_reach:
                raise ServerLostError(f"a request failed: {error.what}", where=error.where) from error
            status = self._server_files.read_status()
            reason = status.reason if status and status.state in {"reverted", "failed"} else ""
            raise RolloutRevertedError(f"{reason or 'a request failed'}: {error.what}", where=error.where) from error

    def _ask_stable(self, client: InferenceClient) -> None:
        if self._stable is None or not self._comparable:
            return
        try:
            client.infer([next(self._rows)], self._stable.version)
        except RequestFailedError as error:
            self._progress(f"the stable version did not answer a replayed row: {error.what}")

    def _client(self) -> InferenceClient:
        address = self._server_files.address
        if address is None:
            raise ServerLostError("no server was ever begun", where=self._server_files.spec_uri)
        timeout_seconds = self._policy.max_request_seconds + 5
        return InferenceClient(address, self._server_files.workload, timeout_seconds, self._access)

    @contextmanager
    def _or_back(self, stable: ModelVersion) -> Iterator[None]:
        try:
            yield
        except BaseException as error:
            target = self._server_files.read_target()
            if target is not None and target.generation == self._generation:  # not overwritten since
                self._server_files.write_target(self._policy, stable)
                self._progress(f"back to version {stable.version} alone: {error}")
            raise


def _figures(status: ServingStatus) -> str:
    return "; ".join(
        f"{health.version} {health.requests} requests, {health.errors} errors, "
        + (f"p99 {health.p99_latency_seconds * 1e3:.1f} ms" if health.p99_latency_seconds is not None else "no latency")
        for health in (status.stable, status.canary)
        if health is not None
    )
