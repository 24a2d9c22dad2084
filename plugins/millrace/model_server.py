"""Keeps one model server a workload running on this machine."""

import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from pydantic import ValidationError

from millrace.contracts.errors import BadInputError, TransientError
from millrace.contracts.model import ModelVersion
from millrace.contracts.run_spec import SPEC_FILE, RunSpec, ServeTask
from millrace.contracts.serving import ServingTarget
from millrace.run import SERVE_STEP, Run
from millrace.serving.client import InferenceClient
from millrace.serving.room import ServingRoom
from millrace.settings import Settings
from millrace.storage import files

_PORTS = 100
_STATE = "process"
_BEGIN_SECONDS = 180.0
_FOLLOW_SECONDS = 90.0
_LOOK_SECONDS = 0.2


@dataclass(frozen=True)
class Serving:
    """A workload's server on this machine. "silent" is one that lives and has no version ready."""

    workload: str
    address: str
    version: str | None
    state: Literal["serves", "starting", "silent", "down"]
    reason: str = ""

    def __str__(self) -> str:
        if self.state == "serves":
            return f"{self.workload}: {self.address} serves version {self.version}"
        words = {"starting": "is still starting", "silent": f"{self.address} has no version ready", "down": "is not up"}
        return f"{self.workload}: {words[self.state]}" + (f"; {self.reason}" if self.reason else "")


def ensure_server(run: Run, settings: Settings) -> ServingRoom:
    """Start the workload's server unless it runs; its address stays the same over restarts.

    What the status says afterwards is this server's word: one that died says "ready" until its successor speaks.
    Raises BadInputError when the address is taken by another program, TransientError for a server that ended at once or
    says nothing.
    """
    room = ServingRoom(run.store, run.workload.name)
    launcher = settings.process_launcher()
    state_uri = files.join(room.uri, _STATE)
    if launcher.service_running(state_uri):
        return room
    spec = RunSpec(
        key=run.key(SERVE_STEP, 1),
        workload=run.workload,
        parameters=run.parameters,
        hardware=settings.hardware(run.parameters.hardware),
        attempt_uri=room.uri,
        state_uri=state_uri,
        task=ServeTask(
            target_uri=room.target_uri,
            status_uri=room.status_uri,
            host=settings.serving_host,
            port=_port(room, settings),
        ),
    )
    pid = launcher.start_service("serve", spec)
    deadline = time.monotonic() + _BEGIN_SECONDS
    while (status := room.read_status()) is None or status.pid != pid:
        if time.monotonic() > deadline or not launcher.service_running(state_uri):
            raise TransientError(
                "the server ended, or said nothing in time",
                where=room.log_uri,
                rule=f"a server begins within {_BEGIN_SECONDS:g} s",
                remedy="the log says why; the task is tried again, on another port where this one was taken meanwhile",
            )
        time.sleep(_LOOK_SECONDS)
    return room


def withdraw(room: ServingRoom, settings: Settings) -> None:
    """End the server of a workload that has no live version, and forget what it was told to serve."""
    settings.process_launcher().stop_service(files.join(room.uri, _STATE))
    for uri in (room.target_uri, room.status_uri):
        files.delete(uri)


def put_back(settings: Settings, workload: str, candidate: ModelVersion) -> None:
    """Order what the ledger calls live in place of this candidate; where nothing is live its server ends.

    Another candidate's rollout is left alone. A server that has died is started again; it is not waited for.
    """
    room = ServingRoom(settings.store, workload)
    target, live = room.read_target(), settings.ledger().live_model(workload)
    if target is None or target.canary not in (None, candidate):
        return
    if live is not None:
        _order_alone(room, target, live.model, settings)
    elif target.stable == candidate:
        withdraw(room, settings)


def serve_live(settings: Settings, workload: str) -> None:
    """Let the workload's server serve the ledger's live version alone; without one it ends.

    Raises BadInputError for a workload that was never served, TransientError where the server does not follow in time.
    """
    room = ServingRoom(settings.store, workload)
    target, live = room.read_target(), settings.ledger().live_model(workload)
    if live is None:
        withdraw(room, settings)
        return
    if target is None:
        raise BadInputError(
            "this workload has no server",
            where=room.target_uri,
            rule="a rollout starts the server",
            remedy="run the workload's DAG to its end",
        )
    target = _order_alone(room, target, live.model, settings)
    status = room.wait_for(
        lambda status: status.generation >= target.generation and status.state != "loading",
        f"version {live.model.version} to be served",
        _FOLLOW_SECONDS,
    )
    if status.state in {"reverted", "failed"}:
        raise TransientError(
            f"the server does not serve {live.model.version}: {status.reason or status.state}",
            where=room.status_uri,
            rule="the live version answers",
            remedy=f"read {room.log_uri}, then do this again",
        )


def _order_alone(room: ServingRoom, target: ServingTarget, version: ModelVersion, settings: Settings) -> ServingTarget:
    """Order a version alone, unless it is ordered already, of a server that runs; returns the order."""
    if (target.stable, target.canary) != (version, None):
        target = room.write_target(target.policy, version)
    _start_stopped(settings, room.workload)
    return target


def canary(settings: Settings, workload: str) -> str | None:
    """The version that is being rolled out now; None where none is, or where the server took it away."""
    room = ServingRoom(settings.store, workload)
    target, status = room.read_target(), room.read_status()
    if target is None or target.canary is None or (status and status.state in ("reverted", "failed")):
        return None
    return target.canary.version


def resume_servers(settings: Settings) -> list[Serving]:
    """Start again every server that once ran here and does not now; what each of them says of itself afterwards."""
    begun = _start_stopped(settings)
    deadline = time.monotonic() + _BEGIN_SECONDS
    while True:
        found = [each for each in serving(settings) if each.workload in begun]
        if time.monotonic() > deadline or not any(each.state == "starting" for each in found):
            return found
        time.sleep(_LOOK_SECONDS)


def serving(settings: Settings) -> list[Serving]:
    """Every server that was started here, by its own word and its answer now."""
    return [_asked(room, spec, settings) for room, spec in _rooms(settings)]


def _asked(room: ServingRoom, spec: RunSpec | None, settings: Settings) -> Serving:
    if spec is None:
        return Serving(room.workload, "", None, "down", "another version of Millrace began it: run its DAG again")
    pid = settings.process_launcher().service_pid(spec.state_uri)
    if pid is None:
        return Serving(room.workload, "", None, "down", f"its log is {room.log_uri}")
    status = room.read_status()
    # a status of an earlier server, or whoever else listens at its address, does not speak for this one
    if status is None or status.pid != pid or status.state == "loading":
        return Serving(room.workload, "", None, "starting")
    version = status.stable.version if status.stable else None
    with InferenceClient(status.address, room.workload, timeout_seconds=5) as client:
        if version is None or not client.ready():
            return Serving(
                room.workload, status.address, version, "silent", status.reason or f"its log is {room.log_uri}"
            )
    return Serving(room.workload, status.address, version, "serves")


def _start_stopped(settings: Settings, workload: str | None = None) -> list[str]:
    """Start every server (or this workload's) that once ran here and does not now; returns their workloads."""
    launcher = settings.process_launcher()
    begun = []
    for room, spec in _rooms(settings):
        if spec and workload in (None, room.workload) and not launcher.service_running(spec.state_uri):
            launcher.start_service("serve", spec)
            begun.append(room.workload)
    return begun


def _rooms(settings: Settings) -> Iterator[tuple[ServingRoom, RunSpec | None]]:
    """Each server's folder and order; None for an order that another version of Millrace wrote."""
    root = files.join(settings.store, "serving")
    for name in files.names(root):
        uri = files.join(root, name, SPEC_FILE)
        if files.exists(uri):
            try:
                spec = RunSpec.model_validate_json(files.read_bytes(uri))
            except ValidationError:
                spec = None
            yield ServingRoom(settings.store, name), spec


def _port(room: ServingRoom, settings: Settings) -> int:
    status = room.read_status()
    if status is not None and (port := urlsplit(status.address).port):
        if _free(settings.serving_host, port):
            return port
        raise BadInputError(
            f"port {port} is taken by another program",
            where=status.address,
            rule="a service's address stays",
            remedy=f"end that program, or remove {room.status_uri} to let the service move",
        )
    for port in range(settings.serving_port, settings.serving_port + _PORTS):
        if _free(settings.serving_host, port):
            return port
    raise BadInputError(
        "no free port for a model server",
        where=f"{settings.serving_host}:{settings.serving_port}–{settings.serving_port + _PORTS - 1}",
        rule="a server listens on one of these",
        remedy="set MILLRACE_SERVING_PORT to another range",
    )


def _free(host: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True
