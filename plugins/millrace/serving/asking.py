"""Requests that a rollout sends itself, so that it needs no traffic: rows, over and over."""

import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from itertools import cycle

from millrace.contracts.workload import ServingPolicy
from millrace.serving.client import Access, InferenceClient, RequestFailedError, Row
from millrace.serving.cluster import ServingCluster
from millrace.serving.rollout import RolloutRevertedError, ServerLostError

_PAUSE_SECONDS = 0.05
_LOOK_EVERY_SECONDS = 5.0
_PROXY_SECONDS = 30.0


class Asker:
    """Asks a workload's services, each of which is looked up once. A request that fails raises RolloutRevertedError.

    ``versions`` says of a version's own service which version answers there: another one's answer is a failure.
    """

    def __init__(
        self,
        cluster: ServingCluster,
        policy: ServingPolicy,
        workload: str,
        rows: Sequence[Row],
        versions: Mapping[str, str],
    ) -> None:
        self._versions = versions
        self._policy = policy
        self._workload = workload
        self._rows = cycle(rows)

        self._address = cache(cluster.address)
        self._cluster = cluster
        self._access: Access | None = None

    def ask(self, name: str) -> None:
        """One request, by a connection of its own: a kept one would stay with one server."""
        with self._client(name) as client:
            self._send(client, name)

    def await_answer(self, name: str) -> None:
        """A new service is there before every node's proxy knows of it."""
        deadline = time.monotonic() + _PROXY_SECONDS
        self._renew()
        with self._client(name) as client:
            while time.monotonic() < deadline:
                if client.ready():
                    return
                time.sleep(_PAUSE_SECONDS)
        raise self._reverted(f"nothing answers within {_PROXY_SECONDS:g} s", name)

    def replay(self, name: str, seconds: float, crash: Callable[[], str | None]) -> None:
        """Ask for that long, by one connection, and look now and then whether a server crashes again and again."""
        ends_at, look_at = time.monotonic() + seconds, time.monotonic() + _LOOK_EVERY_SECONDS
        with self._client(name) as client:
            while time.monotonic() < ends_at:
                self._send(client, name)
                time.sleep(_PAUSE_SECONDS)
                if time.monotonic() >= look_at:
                    look_at = time.monotonic() + _LOOK_EVERY_SECONDS
                    if (crashed := crash()) is not None:
                        raise self._reverted(crashed, name)

    def _client(self, name: str) -> InferenceClient:
        access = self._access or self._renew()
        timeout_seconds = self._policy.max_request_seconds + 5
        return InferenceClient(self._address(name), self._workload, timeout_seconds, access, self._renew)

    def _renew(self) -> Access:
        self._access = self._cluster.access(self._workload)
        return self._access

    def _send(self, client: InferenceClient, name: str) -> None:
        try:
            client.infer_patiently([next(self._rows)], self._versions.get(name))
        except RequestFailedError as error:
            if error.is_out_of_reach:
                raise ServerLostError(error.what, where=f"service {name}") from error
            raise self._reverted(error.what, name) from error

    def _reverted(self, reason: str, name: str) -> RolloutRevertedError:
        return RolloutRevertedError(reason, where=f"service {name}")
