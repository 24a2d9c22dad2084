"""``python -m millrace ledger``: commands that print what the ledger records, and migrate its tables."""

from datetime import datetime
from typing import Annotated, Literal

import typer

from millrace.cli.invocation import load_settings
from millrace.contracts.errors import StepError

commands = typer.Typer(no_args_is_help=True, help="The ledger of plans, reports, models and measurements.")


@commands.command()
def migrate() -> None:
    """Apply the ledger's pending migrations."""
    applied = load_settings().ledger().migrate()
    typer.echo(f"applied {', '.join(applied)}" if applied else "nothing to apply")


@commands.command()
def runs(
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Most runs to print, newest first.")] = 20,
    dag_id: Annotated[str | None, typer.Option(help="Only runs of this DAG.")] = None,
    output: Annotated[Literal["table", "json"], typer.Option(help="json: every column of run_summary.")] = "table",
) -> None:
    """Print each run's state and reason, measured and predicted seconds, and the address that serves its model now.

    A reason names the file, row or field. A cleared run that runs again has a row for each repeat (#1 …).
    """
    import json

    from millrace.cli.run_table import run_table
    from millrace.orchestration.servers.model_server import serving

    settings = load_settings()
    rows = settings.ledger().run_summary(dag_id=dag_id, limit=limit)
    addresses: dict[tuple[str, str], str] = {}
    if settings.launcher == "process":
        try:
            answering = [each for each in serving(settings) if each.state == "serves"]
            addresses = {(each.workload, each.version or ""): each.address for each in answering}
        except StepError as error:
            typer.echo(f"what serves is unknown: {error.summary}", err=True)
    if output == "json":
        found = [{**row, "address": addresses.get((row["workload"], row["model_version"] or ""))} for row in rows]
        typer.echo(json.dumps(found, indent=1, default=str))
        return
    for line in run_table(rows, addresses):
        typer.echo(line)


@commands.command()
def energy(dag_id: str, run_id: str) -> None:
    """Print a run's joules by account and phase, from sensors and the site's meters, and training's bottleneck."""
    from millrace.telemetry.utilisation import describe, of_run

    ledger = load_settings().ledger()
    for row in ledger.run_energy(dag_id, run_id):
        accounts = ("active_joules", "idle_joules", "joules", "facility_joules", "metered_joules")
        text = [f"{name.removesuffix('_joules')} {row[name]:,.0f} J" for name in accounts if row[name] is not None]
        typer.echo(f"repeat {row['repeat']}: {', '.join(text) or 'nothing is known'}")
        if row["metered_reason"]:
            typer.echo(f"  meters: {row['metered_reason']}")
        phases = ledger.phases(dag_id, run_id, row["repeat"])
        for phase in phases:
            drawn = "unknown" if phase["joules"] is None else f"{phase['joules']:,.0f} J"
            typer.echo(f"  {phase['step']:9} {phase['phase']:9} {phase['wall_seconds']:10,.1f} s  {drawn}")
        plan = ledger.plan(dag_id, run_id)
        found = of_run(ledger.tries(dag_id, run_id, row["repeat"]), phases, plan.hardware, row) if plan else None
        if plan and found:
            typer.echo(f"  {describe(found, plan.bottleneck)}")


@commands.command()
def audit(
    limit: Annotated[int, typer.Option(min=0, max=1_000_000, help="Most rows to print, newest first.")] = 20,
    dag_id: Annotated[str | None, typer.Option(help="Only rows of this DAG.")] = None,
    expect: Annotated[
        str | None, typer.Option(help="Digest that an earlier call printed: fails unless a row has it.")
    ] = None,
    output: Annotated[Literal["table", "json"], typer.Option(help="json: every column of the audit.")] = "table",
) -> None:
    """Print the audit (who decided, or was refused, what, when and why) and verify that no row was changed.

    Exit code 1: a row was edited, removed or moved, and the first such row is named. Actions taken by hand in Airflow
    (asked) are copied here when a run begins or ends, a task is marked or the Audit page is opened.
    """
    import json

    from millrace.contracts.errors import legible

    ledger = load_settings().ledger()
    rows = ledger.audit(dag_id, limit)
    if output == "json":
        typer.echo(json.dumps(rows, indent=1))
    for row in rows if output == "table" else ():
        of = f"  ({row['dag_id']}{' / ' + row['run_id'] if row['run_id'] else ''})" if row["dag_id"] else ""
        words = f"{row['action'].replace('_', ' '):9} {row['outcome']:7} {row['subject']}  by {row['actor']}"
        text = f"{words}{of}: {row['reason']}" + (f" -> {row['effect']}" if row["effect"] else "")
        when = row["decided_at"][:19].replace("T", " ")
        typer.echo(f"{row['sequence']:6} {when}  {legible(text.replace(chr(10), ' '))}")
    found = ledger.check_audit(expect)
    if found.broken_at is not None:
        typer.echo(f"the audit is broken at row {found.broken_at:,}: {found.wrong}", err=True)
        raise typer.Exit(1)
    typer.echo(f"{found.row_count:,} rows, each as it was written; the last one's digest is {found.digest}", err=True)


@commands.command()
def grant(role: str) -> None:
    """Grant a PostgreSQL role the rights that Airflow needs on the ledger; on the audit only SELECT and INSERT.

    Run it as the owner of the tables, and again after each migration.
    """
    load_settings().ledger().grant(role)
    typer.echo(f"{role} may use the ledger, and only read and insert rows of the audit")


@commands.command()
def teams() -> None:
    """Print what each team with a budget has spent this month (UTC); unfinished runs count with their prediction."""
    from dataclasses import asdict
    from datetime import UTC

    from millrace.sizing.backfill import rates
    from millrace.sizing.catalogue import team_names

    settings, month = load_settings(), f"{datetime.now(UTC):%Y-%m}"
    site = settings.site_rates()
    for name in team_names(settings.catalogue):
        budget = settings.team_budget(name)
        of_energy = rates(site.currency or "", settings.hardware("auto"), site)
        taken = asdict(settings.ledger().team_spending(name, settings.site, month, of_energy))
        text = [
            f"{taken[unit]:,.4g} of {amount:,.4g} {unit}" for unit, amount in (budget.limits if budget else {}).items()
        ]
        typer.echo(f"{name}  {month}  {', '.join(text)}")


@commands.command()
def energy_balance(
    node: str,
    begin: Annotated[datetime, typer.Option(help="UTC, like 2026-01-02T00:00:00.")],
    end: Annotated[datetime, typer.Option(help="UTC.")],
) -> None:
    """Print a node's energy balance: joules of runs, serving, the rest and unreserved idle, compared with its meter."""
    from datetime import UTC

    from millrace.energy.prometheus import PrometheusError
    from millrace.telemetry.energy_balance import node_meters, table

    meters = node_meters(load_settings())
    if meters is None:
        raise typer.BadParameter("MILLRACE_PROMETHEUS_URL names no Prometheus to ask")
    try:
        found = meters.energy_balance(node, begin.replace(tzinfo=UTC).timestamp(), end.replace(tzinfo=UTC).timestamp())
    except PrometheusError as error:
        raise typer.BadParameter(str(error)) from error
    typer.echo("\n".join(table(found)))
