"""``python -m millrace_serve --spec URI``: a service, not a step: it ends when it is told to."""

import argparse
import logging
import math
import socket
import sys

from pydantic import ValidationError

from millrace.contracts.errors import BadInputError, StepError, TransientError
from millrace.contracts.run_spec import RunSpec, ServeTask
from millrace.storage import files
from millrace_serve.secrets import Secrets

log = logging.getLogger("millrace")


def main(argv: list[str] | None = None) -> int:
    """Serve the workload of the spec until SIGTERM, then end what is under way and return 0.

    Returns 10 for a spec that cannot be served and 20 for an address that is taken.
    """
    parser = argparse.ArgumentParser(description="Millrace's model server: Open Inference Protocol v2 over HTTP.")
    parser.add_argument("--spec", required=True, metavar="URI", help="the RunSpec (JSON) with a serve task")
    uri = parser.parse_args(argv).spec
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stdout)
    for chatty in ("kserve.trace", "uvicorn.access"):  # a line a request is work, and nobody reads it
        logging.getLogger(chatty).setLevel(logging.WARNING)
    try:
        spec, task = _read(uri)
        secrets = Secrets.read(task)
        _check_free(task.host, task.port)
    except StepError as error:
        log.error("%s", error)
        return error.exit_code
    return _serve(spec, task, secrets)


def _serve(spec: RunSpec, task: ServeTask, secrets: Secrets) -> int:
    from millrace_serve.orders import Orders
    from millrace_serve.rest import WorkloadModel, WorkloadServer
    from millrace_serve.switch import Switch

    policy = spec.workload.serving
    switch = Switch(policy)
    address = f"{'https' if secrets.certificate else 'http'}://{task.host}:{task.port}"
    server = WorkloadServer(task.host, task.port, switch, math.ceil(policy.max_request_seconds), secrets)
    orders = Orders(switch, spec.workload.name, task.target_uri, task.status_uri, address)
    orders.start()
    try:
        server.start([WorkloadModel(spec.workload.name, switch)])
    finally:
        orders.stop()
    log.info("stopped")
    return 0


def _read(uri: str) -> tuple[RunSpec, ServeTask]:
    rule = "a RunSpec whose task is of kind 'serve'"
    try:
        spec = RunSpec.model_validate_json(files.read_bytes(uri))
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


def _check_free(host: str, port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise TransientError(
                f"cannot listen: {error.strerror}",
                where=f"{host}:{port}",
                rule="one server an address",
                remedy=f"end what listens there (ss -ltnp 'sport = :{port}'), or give the task another port",
            ) from error
