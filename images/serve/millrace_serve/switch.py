"""Which version answers: the stable one, or for some requests the canary, until it errs or slows."""

import asyncio
import logging
import threading
from dataclasses import dataclass, replace

from millrace.contracts.model import ModelVersion
from millrace.contracts.workload import ServingPolicy
from millrace_serve import metrics
from millrace_serve.answers import Answer
from millrace_serve.health import Health, fault, quantile
from millrace_serve.refusal import RequestRefusedError, shown
from millrace_serve.scoring import Ask
from millrace_serve.versions import LoadedVersion, ModelFailedError

log = logging.getLogger("millrace")

CANARY_FLOOR_SECONDS = 1.0
_CANARY_MARGIN = 4.0


@dataclass(frozen=True)
class Taken:
    """A canary that the server took away by itself: what it was, why, and how it did."""

    model: ModelVersion
    reason: str
    health: Health


@dataclass(frozen=True)
class Route:
    """Who answers what."""

    policy: ServingPolicy
    stable: LoadedVersion | None = None
    canary: LoadedVersion | None = None
    canary_percent: int = 0
    taken: Taken | None = None


class Switch:
    """Sends each request to a version of the route that holds at that moment; a request keeps its version to its end.

    While there is a canary, the stable version answers whatever the canary does not: a client never sees the
    canary's failure, and a canary at fault (see health.fault) is taken away.
    """

    def __init__(self, policy: ServingPolicy) -> None:
        self._lock = threading.Lock()
        self._route = Route(policy)
        self._turn = 0

    @property
    def route(self) -> Route:
        """The route that the next request takes."""
        return self._route

    def move(self, route: Route, before: Route) -> None:
        """Take another route from the next request on; requests under way end where they began.

        ``before`` is the route that the new one was prepared from. A canary that was taken away since then stays
        away, and one that was taken away never becomes the stable version without having been a canary again.
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
        """A loaded version by name, the stable one without. Raises RequestRefusedError 404 and 503."""
        route = self._route
        if route.stable is None:
            raise RequestRefusedError(503, "no version is loaded yet; ask /v2/health/ready")
        if version is None or route.stable.model.version == version:
            return route.stable
        if route.canary is not None and route.canary.model.version == version:
            return route.canary
        raise RequestRefusedError(404, f"version {shown(version)!r} is not loaded")

    async def answer(self, ask: Ask, version: str | None) -> Answer:
        """Answer within the policy's time.

        Raises RequestRefusedError: 400 or 413 for the client's mistakes, 404 and 503 as ``find``, 503 too where the
        requests before it take all of that time, 500 where the version that must answer errs and 504 where it is out
        of time.
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
            # The stable version judges whose mistake it is: what it refuses too is the client's.
            answer = await self._ask(self.find(None), ask, route)
            if error.status != 503:  # it had no time, but nothing against the request
                canary.count_error()
            return answer
        finally:
            self._guard(canary)

    async def _ask(self, version: LoadedVersion, ask: Ask, route: Route) -> Answer:
        seconds = route.policy.max_request_seconds
        return await version.ask(ask, route.policy.max_rows, seconds, seconds)

    def _is_canarys_turn(self, percent: int) -> bool:
        """Spread evenly: of a hundred requests in a row exactly ``percent`` are the canary's."""
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
    """What a canary's answer may take before the stable version is asked."""
    usual = None if route.stable is None else quantile(route.stable.health.recent()[1], 0.99)
    generous = _CANARY_MARGIN * route.policy.max_slowdown * (usual or 0.0)
    return max(CANARY_FLOOR_SECONDS, generous)
