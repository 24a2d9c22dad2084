"""``python -m millrace_serve --spec URI``: a long-running service, not a step; it ends on SIGTERM or SIGINT."""

import argparse
import logging
import math
import socket
import sys

from pydantic import ValidationError

from millrace.contracts.errors import BadInputError, StepError, TransientError
from millrace.contracts.run_spec import RunSpec, ServeTask
from millrace.storage import files
from millrace.storage.signature import opened
from millrace_serve.secrets import Secrets

log = logging.getLogger("millrace")

_BACKLOG = 1024


def main(argv: list[str] | None = None) -> int:
    """Serve the spec's workload until SIGTERM or SIGINT, then finish the requests in flight and return 0.

    Returns 10 for a spec that cannot be served, 20 for an address in use and 40 for a spec without a valid signature.
    """
    parser = argparse.ArgumentParser(description="Millrace's model server: Open Inference Protocol v2 over HTTP.")
    parser.add_argument("--spec", required=True, metavar="URI", help="the signed RunSpec with a serve task")
    parser.add_argument(
        "--verify-key", required=True, metavar="BASE64", help="public key that verifies spec and serving targets"
    )
    given = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stdout)
    for chatty in ("kserve.trace", "uvicorn.access"):  # they log a line for each request, which costs time
        logging.getLogger(chatty).setLevel(logging.WARNING)
    try:
        spec, task = _read(given.spec, given.verify_key)
        secrets = Secrets.read(task)
        listener = listen(task.host, task.port)
    except StepError as error:
        log.error("%s", error)
        return error.exit_code
    with listener:
        return _serve(spec, task, listener, secrets, given.verify_key)


def _serve(spec: RunSpec, task: ServeTask, listener: socket.socket, secrets: Secrets, key: str) -> int:
    from millrace_serve.reconciler import Reconciler
    from millrace_serve.rest import WorkloadModel, WorkloadServer
    from millrace_serve.switch import Switch

    policy = spec.workload.serving
    switch = Switch(policy)
    address = f"{'https' if secrets.certificate else 'http'}://{task.host}:{task.port}"
    server = WorkloadServer(listener, spec.workload.name, switch, math.ceil(policy.max_request_seconds), secrets)
    reconciler = Reconciler(switch, spec.workload.name, task.target_uri, task.status_uri, address, key)
    reconciler.start()
    try:
        server.start([WorkloadModel(spec.workload.name, switch)])
    finally:
        reconciler.stop()
    log.info("stopped")
    return 0


def _read(uri: str, key: str) -> tuple[RunSpec, ServeTask]:
    rule = "a RunSpec whose task is of kind 'serve'"
    try:
        spec = RunSpec.model_validate_json(opened(files.read_bytes(uri), uri, key))
    except (ValidationError, FileNotFoundError) as error:
        raise BadInputError(
            f"the spec cannot be read: {error}", where=uri, rule=rule, remedy="write it again"
        ) from error
    if not isinstance(spec.task, ServeTask):
        raise BadInputError(
            f"this image has no step {spec.task.kind!r}",
            where=uri,
            rule=rule,
            remedy="give it to the image that has it",
        )
    return spec, spec.task


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket; clients that connect before the server starts wait instead of being refused.

    Raises TransientError if the address is in use.
    """
    # IPPROTO_TCP explicitly: asyncio sets TCP_NODELAY only on sockets created with it
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise TransientError(
            f"cannot listen: {error.strerror}",
            where=f"{host}:{port}",
            rule="one server an address",
            remedy=f"end what listens there (ss -ltnp 'sport = :{port}'), or give the task another port",
        ) from error
    listener.setblocking(False)
    return listener
