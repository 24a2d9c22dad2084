"""Start, stop and query the model servers' processes on this machine, one for each workload."""

import logging
import socket
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from millrace.contracts.errors import BadInputError, RefusedError, StepError, TransientError
from millrace.contracts.run_spec import RunSpec, ServeTask
from millrace.runs.run import SERVE_STEP, Run
from millrace.serving.client import Access, InferenceClient
from millrace.serving.server_files import ServerFiles
from millrace.settings import Settings
from millrace.storage import files
from millrace.storage.polling import poll

log = logging.getLogger(__name__)

_PORTS = 100
_STATE = "process"
_BEGIN_SECONDS = 180.0
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


def ensure_server(run: Run, settings: Settings) -> ServerFiles:
    """Start the workload's server unless it runs; return its serving folder. The address is the same after restarts.

    Returns when the status file is the new server's: the file of a server that died still says "ready". Raises
    BadInputError if another program has taken the address, TransientError if the server ends or writes no status in
    time.
    """
    server_files = settings.server_files(run.workload.name)
    launcher = settings.process_launcher()
    state_uri = _state_uri(server_files)
    begun = begun_spec(server_files)
    if launcher.service_running(state_uri):
        if begun is not None:
            return server_files
        launcher.stop_service(state_uri)  # another version of Millrace started it; it does not follow our targets
    if begun is None:
        _write_target_anew(server_files, run, settings)
    spec = RunSpec(
        key=run.key(SERVE_STEP, 1),
        workload=run.workload,
        parameters=run.parameters,
        hardware=settings.hardware(run.parameters.hardware),
        attempt_uri=server_files.uri,
        state_uri=state_uri,
        task=_with_secrets(
            ServeTask(
                target_uri=server_files.target_uri,
                status_uri=server_files.status_uri,
                host=settings.serving_host,
                port=_port(server_files, begun, settings),
            ),
            settings,
        ),
    )
    pid = _start(spec, server_files, settings)

    def has_begun() -> bool | None:
        status = server_files.read_status()
        if status is not None and status.pid == pid:
            return True
        return None if launcher.service_running(state_uri) else False

    over = {"every_seconds": _LOOK_SECONDS, "at_most_seconds": _BEGIN_SECONDS}
    if not poll(has_begun, until=lambda begun: begun is not None, **over):
        raise TransientError(
            "the server ended, or wrote no status in time",
            where=server_files.log_uri,
            rule=f"a server begins within {_BEGIN_SECONDS:g} s",
            remedy="the log says why; the task is tried again, on another port where this one was taken meanwhile",
        )
    return server_files


def _write_target_anew(server_files: ServerFiles, run: Run, settings: Settings) -> None:
    """Replace a target that is not signed with this site's key, such as an earlier version's, by the live version."""
    try:
        server_files.read_target()
    except (BadInputError, RefusedError):
        files.delete(server_files.target_uri)
        live = settings.ledger().live_model(server_files.workload)
        if live is not None:
            server_files.write_target(run.workload.serving, live.model)


def _start(spec: RunSpec, server_files: ServerFiles, settings: Settings) -> int:
    """Start the server, which follows only documents signed with Airflow's key; return its process ID."""
    document = server_files.key.signed(server_files.spec_uri, spec)
    return settings.process_launcher().start_service("serve", spec, document, ["--verify-key", server_files.key.public])


def begun_spec(server_files: ServerFiles) -> RunSpec | None:
    """Return the spec of the workload's server; None without a valid, signed one, such as of another version."""
    try:
        return server_files.read_spec()
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


def server_of(server_files: ServerFiles) -> RunSpec:
    """Return the spec of the workload's server. Raises BadInputError if no rollout has started one."""
    begun = begun_spec(server_files)
    if begun is None:
        raise BadInputError(
            "this workload has no server",
            where=server_files.spec_uri,
            rule="a rollout starts the server",
            remedy="run the workload's DAG to its end",
        )
    return begun


def _state_uri(server_files: ServerFiles) -> str:
    """Return the folder in which the launcher remembers the server's process."""
    return files.join(server_files.uri, _STATE)


def is_running(server_files: ServerFiles, settings: Settings) -> bool:
    """Return whether the server's process runs, also one that an earlier version of Millrace started."""
    return settings.process_launcher().service_running(_state_uri(server_files))


def withdraw(server_files: ServerFiles, settings: Settings) -> None:
    """End the server of a workload that has no live version; delete its target and status files."""
    settings.process_launcher().stop_service(_state_uri(server_files))
    for uri in (server_files.target_uri, server_files.status_uri):
        files.delete(uri)


def resume_servers(settings: Settings, run_of: Callable[[str], Run]) -> list[Serving]:
    """Start every server again that ran here before and does not now; return their states once none is starting.

    If the spec of a live version's server is not signed with this site's key, because an earlier version of Millrace
    started it, a new server takes its place; ``run_of`` returns an imagined run of the workload as its DAG is now.
    """
    known = list(all_server_files(settings))
    begun = [server_files.workload for server_files, spec in known if spec and restart(server_files, spec, settings)]
    begun += _replaced([server_files.workload for server_files, spec in known if spec is None], settings, run_of)
    return poll(
        lambda: [each for each in serving(settings) if each.workload in begun],
        until=lambda found: not any(each.state == "starting" for each in found),
        every_seconds=_LOOK_SECONDS,
        at_most_seconds=_BEGIN_SECONDS,
    )


def serving(settings: Settings) -> list[Serving]:
    """Return the state of every server that was started here, by its status file and a request for readiness."""
    return [_asked(server_files, spec, settings) for server_files, spec in all_server_files(settings)]


def _asked(server_files: ServerFiles, spec: RunSpec | None, settings: Settings) -> Serving:
    if spec is None:
        return Serving(
            server_files.workload, "", None, "down", "another version of Millrace began it: run its DAG again"
        )
    pid = settings.process_launcher().service_pid(spec.state_uri)
    if pid is None:
        return Serving(server_files.workload, "", None, "down", f"its log is {server_files.log_uri}")
    status = server_files.read_status()
    # the status may be an earlier server's, and another program may listen at its address
    if status is None or status.pid != pid or status.state == "loading":
        return Serving(server_files.workload, "", None, "starting")
    version = status.stable.version if status.stable else None
    address = server_files.address or ""
    with InferenceClient(address, server_files.workload, timeout_seconds=5, access=access(settings)) as client:
        if version is None or not client.ready():
            return Serving(
                server_files.workload, address, version, "silent", status.reason or f"its log is {server_files.log_uri}"
            )
    return Serving(server_files.workload, address, version, "serves")


def restart(server_files: ServerFiles, spec: RunSpec, settings: Settings) -> bool:
    """Start the server with this spec unless it runs; return whether it was started."""
    if settings.process_launcher().service_running(spec.state_uri):
        return False
    # the settings for TLS and token may have changed since the last start
    task = _with_secrets(spec.task, settings) if isinstance(spec.task, ServeTask) else spec.task
    _start(spec.model_copy(update={"task": task}), server_files, settings)
    return True


def _replaced(unsigned: Iterable[str], settings: Settings, run_of: Callable[[str], Run]) -> list[str]:
    """Start new servers for those of these workloads that have a live version; return them."""
    found = [workload for workload in unsigned if settings.ledger().live_model(workload) is not None]
    for workload in found:
        try:
            ensure_server(run_of(workload), settings)
        except (StepError, OSError) as error:  # the other servers start nevertheless
            log.warning("the server of %s is not replaced: %s", workload, error)
    return found


def all_server_files(settings: Settings) -> Iterator[tuple[ServerFiles, RunSpec | None]]:
    """Yield each server's serving folder and spec; None for a spec that cannot be read, such as another version's."""
    root = files.join(settings.store, "serving")
    for name in files.names(root):
        server_files = settings.server_files(name)
        if files.exists(server_files.spec_uri):
            yield server_files, begun_spec(server_files)


def _port(server_files: ServerFiles, begun: RunSpec | None, settings: Settings) -> int:
    if begun is not None and isinstance(begun.task, ServeTask):
        if _free(settings.serving_host, begun.task.port):
            return begun.task.port
        raise BadInputError(
            f"port {begun.task.port} is taken by another program",
            where=server_files.address or server_files.uri,
            rule="a service's address stays",
            remedy=f"end that program, or remove {server_files.spec_uri} to let the service move",
        )
    status = server_files.read_status()  # of a server that an earlier version of Millrace started, if any
    former = urlsplit(status.address).port if status else None
    ports = range(settings.serving_port, settings.serving_port + _PORTS)
    for port in sorted(ports, key=lambda port: port != former):
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
