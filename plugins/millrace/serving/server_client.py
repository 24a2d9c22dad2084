"""Requests that a rollout on Kubernetes sends to its servers, so that it needs no traffic: replayed rows."""

import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from itertools import cycle

from millrace.contracts.workload import ServingPolicy
from millrace.serving.client import Access, InferenceClient, RequestFailedError, Row
from millrace.serving.cluster import ServingCluster
from millrace.serving.traffic import PAUSE_SECONDS, RolloutRevertedError, ServerLostError
from millrace.storage.polling import poll

_LOOK_EVERY_SECONDS = 5.0
_PROXY_SECONDS = 30.0


class ServerClient:
    """Client that sends replayed rows to a workload's services; the address of each is looked up once.

    ``versions`` maps a version's own service to that version: an answer of another version is a failure. A failed
    request raises RolloutRevertedError; if no server was reached, its subclass ServerLostError.
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
        """Send one request over a new connection: a kept connection would always reach the same server."""
        with self._client(name) as client:
            self._send(client, name)

    def await_answer(self, name: str) -> None:
        """Wait up to 30 s until a new service answers as ready: each node's proxy learns of it with a delay.

        Raises RolloutRevertedError after that time.
        """
        self._renew()
        with self._client(name) as client:
            if poll(client.ready, every_seconds=PAUSE_SECONDS, at_most_seconds=_PROXY_SECONDS):
                return
        raise self._reverted(f"nothing answers within {_PROXY_SECONDS:g} s", name)

    def replay(self, name: str, seconds: float, crash: Callable[[], str | None]) -> None:
        """Send requests for ``seconds`` over one connection; every 5 s call ``crash``.

        Raises RolloutRevertedError if ``crash`` returns a text.
        """
        ends_at, look_at = time.monotonic() + seconds, time.monotonic() + _LOOK_EVERY_SECONDS
        with self._client(name) as client:
            while time.monotonic() < ends_at:
                self._send(client, name)
                time.sleep(PAUSE_SECONDS)
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
