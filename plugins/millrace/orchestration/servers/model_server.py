"""Start, stop and query the model servers on this machine, one for each workload."""

import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from millrace.contracts.errors import BadInputError, RefusedError, TransientError
from millrace.contracts.model import ModelVersion
from millrace.contracts.run_spec import RunSpec, ServeTask
from millrace.contracts.serving import ServingTarget
from millrace.runs.run import SERVE_STEP, Run
from millrace.serving.client import Access, InferenceClient, RequestFailedError
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
    """The state of a workload's server on this machine; "silent" is a running server without a ready version."""

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
    """Start the workload's server unless it runs; return its serving folder. The address is the same after restarts.

    Returns when the status file is the new server's: the file of a server that died still says "ready". Raises
    BadInputError if another program has taken the address, TransientError if the server ends or writes no status in
    time.
    """
    room = settings.serving_room(run.workload.name)
    launcher = settings.process_launcher()
    state_uri = files.join(room.uri, _STATE)
    begun = _begun(room)
    if launcher.service_running(state_uri):
        if begun is not None:
            return room
        launcher.stop_service(state_uri)  # another version of Millrace started it; it does not follow our targets
    spec = RunSpec(
        key=run.key(SERVE_STEP, 1),
        workload=run.workload,
        parameters=run.parameters,
        hardware=settings.hardware(run.parameters.hardware),
        attempt_uri=room.uri,
        state_uri=state_uri,
        task=_with_secrets(
            ServeTask(
                target_uri=room.target_uri,
                status_uri=room.status_uri,
                host=settings.serving_host,
                port=_port(room, begun, settings),
            ),
            settings,
        ),
    )
    pid = _start(spec, room, settings)
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


def _start(spec: RunSpec, room: ServingRoom, settings: Settings) -> int:
    """Start the server, which follows only documents signed with Airflow's key; return its process ID."""
    document = room.key.signed(room.spec_uri, spec)
    return settings.process_launcher().start_service("serve", spec, document, ["--orders-key", room.key.public])


def _begun(room: ServingRoom) -> RunSpec | None:
    """Return the spec of the workload's server; None without a valid, signed one, such as of another version."""
    try:
        return room.read_spec()
    except (BadInputError, RefusedError):
        return None


def access(settings: Settings) -> Access:
    """Return the CA certificate and token for clients of this machine's servers.

    Raises BadInputError if a file in the folder of MILLRACE_SERVING_SECRETS cannot be read.
    """

    def read(name: str) -> str:
        try:
            return (Path(settings.serving_secrets) / name).read_text().strip()
        except OSError as error:
            raise BadInputError(
                f"{name} cannot be read: {error.strerror}",
                where=f"MILLRACE_SERVING_SECRETS={settings.serving_secrets}",
                rule="servers with TLS or a token have a folder with tls.crt, tls.key, ca.crt and token",
                remedy="put the file there, or set MILLRACE_SERVING_TLS or MILLRACE_SERVING_TOKEN to false",
            ) from error

    return Access(
        ca=read("ca.crt") if settings.serving_tls else None,
        token=read("token") if settings.serving_token else None,
    )


def _with_secrets(task: ServeTask, settings: Settings) -> ServeTask:
    wanted = {"tls": settings.serving_tls, "token": settings.serving_token}
    return task.model_copy(update={**wanted, "secrets_folder": settings.serving_secrets or None})


def _server_of(room: ServingRoom) -> RunSpec:
    begun = _begun(room)
    if begun is None:
        raise BadInputError(
            "this workload has no server",
            where=room.spec_uri,
            rule="a rollout starts the server",
            remedy="run the workload's DAG to its end",
        )
    return begun


def refuse_without_server(settings: Settings, workload: str) -> None:
    """Raise BadInputError if no rollout has started a server for this workload."""
    _server_of(settings.serving_room(workload))


def withdraw(room: ServingRoom, settings: Settings) -> None:
    """End the server of a workload that has no live version; delete its target and status files."""
    settings.process_launcher().stop_service(files.join(room.uri, _STATE))
    for uri in (room.target_uri, room.status_uri):
        files.delete(uri)


def put_back(settings: Settings, workload: str, candidate: ModelVersion) -> None:
    """Write the ledger's live version as target in place of this candidate; without a live version end the server.

    Does nothing while another candidate is in rollout. A server that has died is started again, without waiting for it.
    """
    room = settings.serving_room(workload)
    target, live = room.read_target(), settings.ledger().live_model(workload)
    if target is None or target.canary not in (None, candidate):
        return
    if live is not None:
        _order_alone(room, target, live.model, settings)
    elif target.stable == candidate:
        withdraw(room, settings)


def serve_live(settings: Settings, workload: str) -> None:
    """Make the workload's server serve only the ledger's live version; without one end the server.

    Raises BadInputError for a workload that was never served, TransientError if the server does not follow in time.
    """
    room = settings.serving_room(workload)
    target, live = room.read_target(), settings.ledger().live_model(workload)
    if live is None:
        withdraw(room, settings)
        return
    if target is None:  # the server was withdrawn when no version was live
        target = room.write_target(_server_of(room).workload.serving, live.model)
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
    """Return a target with this version alone, written unless it is the target already; start a stopped server."""
    if (target.stable, target.canary) != (version, None):
        target = room.write_target(target.policy, version)
    _start_stopped(settings, room.workload)
    return target


def canary(settings: Settings, workload: str) -> str | None:
    """Return the version in rollout; None if there is none, or the server has reverted it or failed."""
    room = settings.serving_room(workload)
    target, status = room.read_target(), room.read_status()
    if target is None or target.canary is None or (status and status.state in ("reverted", "failed")):
        return None
    return target.canary.version


def resume_servers(settings: Settings) -> list[Serving]:
    """Start every server again that ran here before and does not now; return their states once none is starting."""
    begun = _start_stopped(settings)
    deadline = time.monotonic() + _BEGIN_SECONDS
    while True:
        found = [each for each in serving(settings) if each.workload in begun]
        if time.monotonic() > deadline or not any(each.state == "starting" for each in found):
            return found
        time.sleep(_LOOK_SECONDS)


def serving(settings: Settings) -> list[Serving]:
    """Return the state of every server that was started here, by its status file and a request for readiness."""
    return [_asked(room, spec, settings) for room, spec in _rooms(settings)]


def answering(settings: Settings, workload: str) -> list[str] | None:
    """Return the versions that the workload's server reports as loaded; None while it starts or does not answer."""
    room = settings.serving_room(workload)
    spec = _begun(room)
    if spec is None or settings.process_launcher().service_pid(spec.state_uri) is None:
        return []
    try:
        with InferenceClient(room.address or "", workload, timeout_seconds=5, access=access(settings)) as client:
            return client.versions()
    except RequestFailedError as error:
        # any HTTP error means no version: a server has status 503 before its first one and after a withdrawal
        return None if error.status is None else []


def held(settings: Settings) -> list[ModelVersion]:
    """Return the versions in the targets of this machine's servers. Raises RefusedError for an unsigned target."""
    targets = [room.read_target() for room, _ in _rooms(settings)]
    return [model for target in targets if target for model in (target.stable, target.canary) if model]


def _asked(room: ServingRoom, spec: RunSpec | None, settings: Settings) -> Serving:
    if spec is None:
        return Serving(room.workload, "", None, "down", "another version of Millrace began it: run its DAG again")
    pid = settings.process_launcher().service_pid(spec.state_uri)
    if pid is None:
        return Serving(room.workload, "", None, "down", f"its log is {room.log_uri}")
    status = room.read_status()
    # the status may be an earlier server's, and another program may listen at its address
    if status is None or status.pid != pid or status.state == "loading":
        return Serving(room.workload, "", None, "starting")
    version = status.stable.version if status.stable else None
    address = room.address or ""
    with InferenceClient(address, room.workload, timeout_seconds=5, access=access(settings)) as client:
        if version is None or not client.ready():
            return Serving(room.workload, address, version, "silent", status.reason or f"its log is {room.log_uri}")
    return Serving(room.workload, address, version, "serves")


def _start_stopped(settings: Settings, workload: str | None = None) -> list[str]:
    """Start every server (or this workload's) that ran here before and does not now; return their workloads."""
    launcher = settings.process_launcher()
    begun = []
    for room, spec in _rooms(settings):
        if spec and workload in (None, room.workload) and not launcher.service_running(spec.state_uri):
            # the settings for TLS and token may have changed since the last start
            task = _with_secrets(spec.task, settings) if isinstance(spec.task, ServeTask) else spec.task
            _start(spec.model_copy(update={"task": task}), room, settings)
            begun.append(room.workload)
    return begun


def _rooms(settings: Settings) -> Iterator[tuple[ServingRoom, RunSpec | None]]:
    """Yield each server's serving folder and spec; None for a spec that cannot be read, such as another version's."""
    root = files.join(settings.store, "serving")
    for name in files.names(root):
        room = settings.serving_room(name)
        if files.exists(room.spec_uri):
            yield room, _begun(room)


def _port(room: ServingRoom, begun: RunSpec | None, settings: Settings) -> int:
    if begun is not None and isinstance(begun.task, ServeTask):
        if _free(settings.serving_host, begun.task.port):
            return begun.task.port
        raise BadInputError(
            f"port {begun.task.port} is taken by another program",
            where=room.address or room.uri,
            rule="a service's address stays",
            remedy=f"end that program, or remove {room.spec_uri} to let the service move",
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
