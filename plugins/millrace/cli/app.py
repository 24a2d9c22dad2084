"""Commands that Airflow does not have: local Airflow, plans, workload files, the ledger, the store, model servers."""

import sys
from typing import Annotated

import typer

import millrace
from millrace.cli import (
    ledger_commands,
    local_commands,
    planning_commands,
    serving_commands,
    store_commands,
    tenant_commands,
    workload_commands,
)
from millrace.contracts.errors import AirflowDidNotStartError, StepError

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
base_models = typer.Typer(no_args_is_help=True, help="Pre-trained weights in the model store.")
base_models.command("add")(store_commands.add_base_model)
app.add_typer(base_models, name="base-model")
app.add_typer(ledger_commands.commands, name="ledger")
app.add_typer(tenant_commands.commands, name="tenants")
_PASSED_ON = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
for command in (
    workload_commands.new_workload,
    workload_commands.check,
    local_commands.up,
    local_commands.resume_servers,
    local_commands.down,
    local_commands.airflow,
    local_commands.demo,
    local_commands.demo_material,
    planning_commands.price_backfill,
    planning_commands.plan,
    planning_commands.trace_model,
    serving_commands.manifests,
    serving_commands.serving_secret,
    store_commands.probe_storage,
    store_commands.exporter,
    store_commands.sweep,
    store_commands.storage,
):
    app.command(context_settings=_PASSED_ON if command is local_commands.airflow else None)(command)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"millrace {millrace.__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Declare the options that precede a command."""


def main() -> None:
    """Run the program; print an expected error as its text, without a traceback, and exit with code 2."""
    try:
        app()
    except (StepError, AirflowDidNotStartError, ValueError) as error:
        typer.echo(str(error), err=True)
        sys.exit(2)
