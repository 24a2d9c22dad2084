"""Traffic of one model server of this machine, which holds both versions and switches between them inside."""

import time
from itertools import cycle

from millrace.contracts.model import ModelVersion
from millrace.contracts.serving import ServingStatus, ServingTarget, Verdict
from millrace.scoring.canary import MIN_REQUESTS
from millrace.serving.client import Access, InferenceClient, RequestFailedError
from millrace.serving.server_files import ServerFiles
from millrace.serving.traffic import (
    LOAD_TIMEOUT_SECONDS,
    PAUSE_SECONDS,
    Replacement,
    RolloutRevertedError,
    ServerLostError,
    Traffic,
)

STATUS_TIMEOUT_SECONDS = 60.0
_LOOK_EVERY_SECONDS = 1.0


class ProcessTraffic(Traffic):
    """Traffic by serving targets that the server follows; the server itself judges the canary and may remove it.

    If no server is reached, requests are repeated for a while, and then ServerLostError ends the rollout without a
    verdict. A later target of somebody else is left as it is.
    """

    def __init__(
        self,
        replacement: Replacement,
        server_files: ServerFiles,
        access: Access | None = None,
        load_timeout_seconds: float = LOAD_TIMEOUT_SECONDS,
    ) -> None:
        self._candidate, self._stable = replacement.candidate, replacement.stable
        self._policy = replacement.policy
        self._replacement = replacement
        self._rows = cycle(replacement.rows)
        self._server_files = server_files
        self._access = access
        self._load_timeout_seconds = load_timeout_seconds
        self._generation = 0

    @property
    def address(self) -> str:
        """Address of the server. Raises ServerLostError if none was ever started."""
        address = self._server_files.address
        if address is None:
            raise ServerLostError("no server was ever begun", where=self._server_files.spec_uri)
        return address

    def bring_up(self) -> int:
        """See Traffic. One server holds both versions."""
        self._order(*self._target(100 if self._stable is None else 0))
        return 1

    def give(self, percent: int, servers: int) -> str:
        """See Traffic."""
        self._order(*self._target(percent))
        return f"{percent} %"

    def trial(self, percent: int) -> Verdict:
        """Send requests, and return "pass" unless the server reports that it removed the candidate, which raises.

        Before any share, each version is asked by name, so that the server can compare them.
        """
        by_name = percent == 0 or self._stable is None
        with self._client() as client:
            for _ in range(max(MIN_REQUESTS if by_name else 1, self._policy.requests_per_step)):
                self._request(client, self._candidate if by_name else None)
        if percent == 0:
            return Verdict(outcome="pass", reasons=(f"version {self._candidate.version} answers when asked by name",))
        return Verdict(outcome="pass", reasons=(_metrics(self._settled()),))

    def replay(self, seconds: float) -> str:
        """See Traffic."""
        self._order_unless_there(*self._target(100))
        ends_at = time.monotonic() + seconds
        look_at = time.monotonic() + _LOOK_EVERY_SECONDS
        with self._client() as client:
            while time.monotonic() < ends_at:
                self._request(client, None)
                time.sleep(PAUSE_SECONDS)
                if time.monotonic() >= look_at:
                    self._kept(self._server_files.wait_for(lambda _: True, "a status", STATUS_TIMEOUT_SECONDS))
                    look_at = time.monotonic() + _LOOK_EVERY_SECONDS
        return _metrics(self._settled())

    def settle(self) -> None:
        """See Traffic. Raises ServingTimeoutError."""
        self._order_unless_there(self._candidate, None, 0)

    def back(self) -> bool:
        """See Traffic. The ledger's reader withdraws a server without a stable version."""
        target = self._server_files.read_target()
        if self._stable is None or target is None or target.generation != self._generation:
            return False
        self._server_files.write_target(self._policy, self._stable)
        return True

    def _target(self, percent: int) -> tuple[ModelVersion, ModelVersion | None, int]:
        return (self._candidate, None, 0) if self._stable is None else (self._stable, self._candidate, percent)

    def _order(self, stable: ModelVersion, canary: ModelVersion | None, percent: int) -> None:
        target = self._server_files.write_target(self._policy, stable, canary, percent)
        self._generation = target.generation
        self._replacement.admit()
        self._await_followed(target)

    def _order_unless_there(self, stable: ModelVersion, canary: ModelVersion | None, percent: int) -> None:
        target = self._server_files.read_target()
        if target is None or (target.stable, target.canary, target.canary_percent) != (stable, canary, percent):
            self._order(stable, canary, percent)
            return
        self._generation = target.generation
        self._await_followed(target)

    def _await_followed(self, target: ServingTarget) -> None:
        names = target.stable.version
        if target.canary is not None:
            names += f" with {target.canary_percent} % {target.canary.version}"
        status = self._server_files.wait_for(
            lambda status: status.generation >= target.generation and status.state != "loading",
            f"generation {target.generation} ({names}) to be ready",
            self._load_timeout_seconds,
            self._replacement.progress,
        )
        if status.generation > target.generation:
            raise RolloutRevertedError(
                "somebody else ordered another version meanwhile", where=self._server_files.target_uri
            )
        self._kept(status)

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

    def _request(self, client: InferenceClient, version: ModelVersion | None) -> None:
        """Send one request as clients do, or by name, and one to the stable version: a slow machine slows both."""
        try:
            client.infer_patiently([next(self._rows)], version.version if version else None)
        except RequestFailedError as error:
            if error.is_out_of_reach:
                raise ServerLostError(f"a request failed: {error.what}", where=error.where) from error
            status = self._server_files.read_status()
            reason = status.reason if status and status.state in {"reverted", "failed"} else ""
            raise RolloutRevertedError(f"{reason or 'a request failed'}: {error.what}", where=error.where) from error
        if self._stable is None or not self._replacement.comparable:
            return
        try:
            client.infer([next(self._rows)], self._stable.version)
        except RequestFailedError as error:
            self._replacement.progress(f"the stable version did not answer a replayed row: {error.what}")

    def _client(self) -> InferenceClient:
        timeout_seconds = self._policy.max_request_seconds + 5
        return InferenceClient(self.address, self._server_files.workload, timeout_seconds, self._access)


def _metrics(status: ServingStatus) -> str:
    return "; ".join(
        f"{health.version} {health.requests} requests, {health.errors} errors, "
        + (f"p99 {health.p99_latency_seconds * 1e3:.1f} ms" if health.p99_latency_seconds is not None else "no latency")
        for health in (status.stable, status.canary)
        if health is not None
    )
