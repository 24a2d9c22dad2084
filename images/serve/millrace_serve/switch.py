"""Routing of requests between the stable version and the canary, and removal of a canary that fails or is slow."""

import asyncio
import logging
import threading
from dataclasses import dataclass, replace

from millrace.contracts.model import ModelVersion
from millrace.contracts.workload import ServingPolicy
from millrace_serve import metrics
from millrace_serve.answers import Answer
from millrace_serve.health import Health, fault
from millrace_serve.refusal import RequestRefusedError, shown
from millrace_serve.scoring import Ask
from millrace_serve.versions import LoadedVersion, ModelFailedError

log = logging.getLogger("millrace")

CANARY_FLOOR_SECONDS = 1.0
_CANARY_MARGIN = 4.0


@dataclass(frozen=True)
class Taken:
    """A canary that the server removed automatically: its model, the reason and its health statistics."""

    model: ModelVersion
    reason: str
    health: Health


@dataclass(frozen=True)
class Route:
    """The loaded versions, the canary's share of the requests in percent, and the canary removed last, if any."""

    policy: ServingPolicy
    stable: LoadedVersion | None = None
    canary: LoadedVersion | None = None
    canary_percent: int = 0
    taken: Taken | None = None


class Switch:
    """Sends each request to a version of the route that is current at its start; later changes do not affect it.

    If a canary gives no answer to a request that names no version, the stable version answers instead, so that
    clients do not see the canary's failures. A canary at fault (see `health.fault`) is removed.
    """

    def __init__(self, policy: ServingPolicy) -> None:
        self._lock = threading.Lock()
        self._route = Route(policy)
        self._turn = 0

    @property
    def route(self) -> Route:
        """The current route, which the next request uses."""
        return self._route

    def move(self, route: Route, before: Route) -> None:
        """Replace the route for new requests; requests in flight keep the old one.

        ``before`` is the route from which the new one was prepared. A canary that was removed since then stays
        removed, and a removed one cannot become the stable version before it has been a canary again: in both cases
        only the policy of ``route`` takes effect.
        """
        with self._lock:
            taken = self._route.taken
            if taken is not None and (
                (route.stable is not None and route.stable.model == taken.model)
                or (taken is not before.taken and route.canary is not None and route.canary.model == taken.model)
            ):
                route = replace(self._route, policy=route.policy)
            self._route = route

    def find(self, version: str | None) -> LoadedVersion:
        """Return a loaded version by name, the stable one for None.

        Raises RequestRefusedError 404 if that version is not loaded, 503 if there is no stable version.
        """
        route = self._route
        if route.stable is None:
            raise RequestRefusedError(503, "no version is loaded yet; ask /v2/health/ready")
        if version is None or route.stable.model.version == version:
            return route.stable
        if route.canary is not None and route.canary.model.version == version:
            return route.canary
        raise RequestRefusedError(404, f"version {shown(version)!r} is not loaded")

    async def answer(self, ask: Ask, version: str | None) -> Answer:
        """Answer a request within the policy's ``max_request_seconds``.

        Raises RequestRefusedError: 400 or 413 for an invalid request, 404 and 503 as ``find``, 503 also if the queue
        before it takes longer than that time, 500 if the responsible version fails and 504 if it exceeds the time.
        """
        route = self._route
        try:
            async with asyncio.timeout(route.policy.max_request_seconds):
                if version is None and route.canary is not None and self._is_canarys_turn(route.canary_percent):
                    return await self._canary_first(ask, route, route.canary)
                chosen = self.find(version)
                try:
                    return await self._ask(chosen, ask, route)
                finally:
                    self._guard(chosen)
        except TimeoutError as error:
            raise RequestRefusedError(504, f"no answer within {route.policy.max_request_seconds:g} s") from error
        except ModelFailedError as error:
            log.error("%s", error)
            raise RequestRefusedError(error.status, str(error)) from error

    async def _canary_first(self, ask: Ask, route: Route, canary: LoadedVersion) -> Answer:
        try:
            half_seconds = route.policy.max_request_seconds / 2
            async with asyncio.timeout(half_seconds):
                return await canary.ask(ask, route.policy.max_rows, _canary_limit_seconds(route), half_seconds)
        except (ModelFailedError, TimeoutError) as error:
            log.warning("the stable version answers instead: %s", error or "no free slot in time")
            self._guard(canary)
            return await self._ask(self.find(None), ask, route)
        except RequestRefusedError as error:
            # If the stable version refuses the request too, it is the client's error and not the canary's.
            answer = await self._ask(self.find(None), ask, route)
            if error.status != 503:  # 503 means that the canary was busy, not that it refused the request
                canary.count_error()
            return answer
        finally:
            self._guard(canary)

    async def _ask(self, version: LoadedVersion, ask: Ask, route: Route) -> Answer:
        seconds = route.policy.max_request_seconds
        return await version.ask(ask, route.policy.max_rows, seconds, seconds)

    def _is_canarys_turn(self, percent: int) -> bool:
        """Return whether this request is the canary's: exactly ``percent`` of each hundred, evenly spread."""
        turn = self._turn
        self._turn = (turn + 1) % 100
        return (turn + 1) * percent // 100 > turn * percent // 100

    def _guard(self, version: LoadedVersion) -> None:
        with self._lock:
            route = self._route
            if route.canary is not version or route.stable is None:
                return
            reason = fault(version.health, route.stable.health, route.policy)
            if reason is None:
                return
            taken = Taken(version.model, f"version {version.model.version}: {reason}", version.health)
            self._route = replace(route, canary=None, canary_percent=0, taken=taken)
        metrics.REVERTS.labels(version.model.workload).inc()
        log.error("version %s was taken away: %s", version.model.version, reason)


def _canary_limit_seconds(route: Route) -> float:
    """Return the canary's time limit for an answer, after which the stable version answers.

    It is the stable version's p99 times ``max_slowdown`` times four, and at least one second.
    """
    usual = None if route.stable is None else route.stable.health.recent().p99_seconds
    generous = _CANARY_MARGIN * route.policy.max_slowdown * (usual or 0.0)
    return max(CANARY_FLOOR_SECONDS, generous)
