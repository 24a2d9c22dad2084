"""Reader of the serving target that the rollout writes, and writer of the serving status that the rollout reads."""

import logging
import os
import threading
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal

from pydantic import ValidationError

from millrace.contracts.errors import RefusedError, StepError
from millrace.contracts.model import ModelVersion
from millrace.contracts.serving import ServingStatus, ServingTarget
from millrace.storage import files
from millrace.storage.signature import opened
from millrace_serve.switch import Route, Switch
from millrace_serve.versions import LoadedVersion

log = logging.getLogger("millrace")

POLL_LOCAL_SECONDS = 0.25
POLL_REMOTE_SECONDS = 1.0
STATUS_SECONDS = 1.0
RETRY_SECONDS = 10.0

State = Literal["loading", "ready", "reverted", "failed"]


@dataclass(frozen=True)
class View:
    """Progress of the server on a target; replaced as a whole, so that readers see no partial change."""

    generation: int
    state: State
    reason: str


class Reconciler:
    """Polls ``target_uri`` and writes ``status_uri``, each in its own thread, so that no request waits for either.

    A version is loaded and verified before requests go to it. If the stable version cannot be loaded, the current one
    stays; if the canary cannot be loaded, there is none. The status holds the reason. A target that is not newer, is
    for another workload, is unreadable or has no valid signature for ``key`` is ignored.
    """

    def __init__(
        self, switch: Switch, workload: str, target_uri: str, status_uri: str | None, address: str, key: str
    ) -> None:
        self._switch = switch
        self._key = key
        self._sequence = 0
        self._workload = workload
        self._target_uri = target_uri
        self._status_uri = status_uri
        self._address = address
        self._started_at = datetime.now(UTC)
        self._stop = threading.Event()
        self._view = View(0, "loading", "no target yet")
        self._seen = b""
        self._target: ServingTarget | None = None
        self._follower = threading.Thread(target=self._follow, name="target", daemon=True)
        self._teller = threading.Thread(target=self._tell, name="status", daemon=True)

    def start(self) -> None:
        """Start both threads; call this after the socket listens, because readers of "ready" send requests at once."""
        self._follower.start()
        if self._status_uri is not None:
            self._teller.start()

    def stop(self) -> None:
        """Stop both threads; wait up to 5 s for the last status, and not for a version that is still loading."""
        self._stop.set()
        if self._status_uri is not None:
            self._teller.join(timeout=STATUS_SECONDS * 5)

    def status(self) -> ServingStatus:
        """Return the current serving status; each call increments its sequence number."""
        view = self._view
        route = self._switch.route
        if route.taken and view.state == "ready":
            view = View(view.generation, "reverted", route.taken.reason)
        canary = route.canary or route.taken
        self._sequence += 1
        return ServingStatus(
            generation=view.generation,
            sequence=self._sequence,
            state=view.state,
            reason=view.reason,
            stable=route.stable.health.report() if route.stable else None,
            canary=canary.health.report() if canary else None,
            pid=os.getpid(),
            started_at=self._started_at,
            updated_at=datetime.now(UTC),
            address=self._address,
        )

    def look(self) -> None:
        """Read the target once and apply it if it is new."""
        try:
            data = files.read_bytes(self._target_uri, limit=1 << 20)
        except FileNotFoundError:
            return
        if data == self._seen:
            return
        try:
            target = ServingTarget.model_validate_json(opened(data, self._target_uri, self._key))
        except RefusedError as error:
            self._ignore(data, error.what)
            return
        except ValidationError as error:
            self._ignore(data, f"the target cannot be read: {error.error_count()} errors, {error.errors()[0]['msg']}")
            return
        if target.workload != self._workload:
            self._ignore(data, f"the target is for workload {target.workload!r}, this server is for {self._workload!r}")
        elif target.generation <= self._view.generation:
            self._ignore(data, f"target generation {target.generation} is not newer than {self._view.generation}")
        else:
            self._seen, self._target = data, target
            self._apply(target)

    def _ignore(self, data: bytes, reason: str) -> None:
        self._seen = data
        self._view = replace(self._view, reason=reason)
        log.error("not followed: %s: %s", self._target_uri, reason)

    def _apply(self, target: ServingTarget) -> None:
        log.info("generation %d: loading", target.generation)
        self._view = View(target.generation, "loading", f"loading generation {target.generation}")
        before = self._switch.route
        held = {version.model: version for version in (before.stable, before.canary) if version is not None}
        failures: list[str] = []
        stable = self._load(target.stable, held, failures)
        canary = self._load(target.canary, held, failures) if target.canary and stable else None
        if stable is None:
            # Keep the current stable version, without a canary: no better one is known.
            self._switch.move(Route(target.policy, before.stable), before)
        else:
            self._switch.move(Route(target.policy, stable, canary, target.canary_percent if canary else 0), before)
        self._view = View(target.generation, "failed" if failures else "ready", "; ".join(failures))
        self._forget([*held.values(), *filter(None, (stable, canary))])
        log.info("generation %d: %s %s", target.generation, self._view.state, self._view.reason)

    def _load(
        self, model: ModelVersion, held: dict[ModelVersion, LoadedVersion], failures: list[str]
    ) -> LoadedVersion | None:
        if model in held:
            return held[model]
        try:
            return LoadedVersion.load(model)
        except StepError as error:
            failures.append(f"version {model.version}: {error.what} ({error.where}; {error.rule})")
        except Exception as error:
            failures.append(f"version {model.version}: {type(error).__name__}: {error}")
        log.error("not loaded: %s", failures[-1])
        return None

    def _forget(self, versions: list[LoadedVersion]) -> None:
        route = self._switch.route
        kept = {version.model.version for version in (route.stable, route.canary) if version}
        for version in versions:
            if version.model.version not in kept:
                version.series.forget()

    def _follow(self) -> None:
        local = self._target_uri.startswith("file://")
        tried_at_seconds = time.monotonic()
        while not self._stop.wait(POLL_LOCAL_SECONDS if local else POLL_REMOTE_SECONDS):
            try:
                self.look()
                if self._switch.route.stable is None and time.monotonic() - tried_at_seconds > RETRY_SECONDS:
                    tried_at_seconds = time.monotonic()
                    if self._target is not None:
                        self._apply(self._target)
            except Exception as error:  # for example the store is unreachable: the loaded versions go on
                log.warning("the target cannot be followed now: %s", error)

    def _tell(self) -> None:
        written: ServingStatus | None = None
        written_at_seconds = 0.0
        while not self._stop.is_set():
            now, at_seconds = self.status(), time.monotonic()
            if written is None or at_seconds - written_at_seconds >= STATUS_SECONDS or _news(now) != _news(written):
                written, written_at_seconds = now, at_seconds
                self._write(now)
            self._stop.wait(POLL_LOCAL_SECONDS / 2)
        self._write(self.status())

    def _write(self, status: ServingStatus) -> None:
        if self._status_uri is None:
            return
        try:
            files.write_bytes(self._status_uri, status.model_dump_json(indent=1).encode())
        except (StepError, OSError) as error:
            log.warning("the status was not written: %s", error)


def _news(status: ServingStatus) -> tuple[object, ...]:
    names = [version.version if version else None for version in (status.stable, status.canary)]
    return status.generation, status.state, status.reason, *names
