"""Keeps one model server a workload running on this machine."""

import socket
from urllib.parse import urlsplit

from millrace.contracts.errors import BadInputError, TransientError
from millrace.contracts.model import ModelVersion
from millrace.contracts.run_spec import SPEC_FILE, RunSpec, ServeTask
from millrace.run import SERVE_STEP, Run
from millrace.serving.room import ServingRoom
from millrace.settings import Settings
from millrace.storage import files

_PORTS = 100
_STATE = "process"
_BEGIN_SECONDS = 120.0
_FOLLOW_SECONDS = 90.0


def ensure_server(run: Run, settings: Settings) -> ServingRoom:
    """Start the workload's server unless it runs; its address stays the same over restarts.

    What the status says afterwards is this server's word: one that died says "ready" until its successor speaks.
    Raises BadInputError when the address is taken by another program, ServingTimeoutError for a server without a word.
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
    room.wait_for(lambda status: status.pid == pid, "the server to begin", _BEGIN_SECONDS)
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
        if (target.stable, target.canary) != (live.model, None):
            room.write_target(target.policy, live.model)
        resume_servers(settings, workload)
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
    if (target.stable, target.canary) != (live.model, None):
        target = room.write_target(target.policy, live.model)
    resume_servers(settings, workload)
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


def canary(settings: Settings, workload: str) -> str | None:
    """The version that is being rolled out now; None where none is, or where the server took it away."""
    room = ServingRoom(settings.store, workload)
    target, status = room.read_target(), room.read_status()
    if target is None or target.canary is None or (status and status.state in ("reverted", "failed")):
        return None
    return target.canary.version


def resume_servers(settings: Settings, workload: str | None = None) -> list[str]:
    """Start again every server (or this workload's) that once ran here and does not now; returns their addresses."""
    launcher = settings.process_launcher()
    root = files.join(settings.store, "serving")
    addresses = []
    for name in files.names(root):
        uri = files.join(root, name, SPEC_FILE)
        if workload not in (None, name) or not files.exists(uri):
            continue
        spec = RunSpec.model_validate_json(files.read_bytes(uri))
        if isinstance(spec.task, ServeTask) and not launcher.service_running(spec.state_uri):
            launcher.start_service("serve", spec)
            addresses.append(f"http://{spec.task.host}:{spec.task.port}")
    return addresses


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
