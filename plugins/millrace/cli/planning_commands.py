"""Commands that predict: a backfill's price, a training's plan, and the model that both are made of."""

import json
import shlex
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

import typer

from millrace.cli.invocation import Port, imagined_run, load_settings, local_airflow, person
from millrace.contracts.measurement import Precision


def price_backfill(
    dag_id: Annotated[str, typer.Option(help="DAG of the workload.")],
    from_date: Annotated[str, typer.Option(help="First day, included.")],
    to_date: Annotated[str, typer.Option(help="Last day, included.")],
    dag_run_conf: Annotated[str, typer.Option(help="Run parameters (JSON), as for `airflow backfill create`.")] = "{}",
    reprocess_behavior: Annotated[str, typer.Option(help="none, failed or completed.")] = "none",
    max_active_runs: Annotated[int, typer.Option(min=1, help="Runs at the same time.")] = 8,
    budget: Annotated[float | None, typer.Option(min=0, help="Budget in the site's currency.")] = None,
    budget_kwh: Annotated[float | None, typer.Option(min=0, help="Budget in kWh, instead of money.")] = None,
    port: Port = 8080,
) -> None:
    """Predict what a backfill will take, before it starts: runs, finish, GPU-hours, kWh, money and gCO2e.

    With a budget, a run that would exceed it waits for a person's approval.
    """
    from millrace.orchestration.backfill import backfill_windows, find_dag, of_dag
    from millrace.planning.backfill_price import describe, describe_budget, make_budget, price
    from millrace.sizing.backfill import KWH

    if budget is not None and budget_kwh is not None:
        raise typer.BadParameter("a budget is in money or in kWh")

    local = local_airflow(port)
    asked = ["--dag-id", dag_id, "--from-date", from_date, "--to-date", to_date, "--dag-run-conf", dag_run_conf]
    asked += ["--reprocess-behavior", reprocess_behavior, "--max-active-runs", str(max_active_runs)]
    environment = local.environment()
    dag = find_dag(dag_id, Path(environment["AIRFLOW__CORE__DAGS_FOLDER"]))
    windows = backfill_windows(dag, asked, environment)
    workload, defaults = of_dag(dag)
    conf = {**defaults, **json.loads(dag_run_conf)}
    found = price(workload, conf, windows, load_settings(), max_active_runs)
    for line in describe(found, datetime.now(UTC)):
        typer.echo(line)
    amount, unit = (budget_kwh, KWH) if budget is None else (budget, found.currency or "money")
    if amount is not None:
        made = make_budget(amount, unit, dag_id, conf["hardware"], found, load_settings())
        load_settings().ledger().record_budget(made, person())
        asked[asked.index(dag_run_conf)] = json.dumps({**json.loads(dag_run_conf), "budget": made.name})
        typer.echo(describe_budget(made, found))
    typer.echo(f"to start it: {shlex.quote(sys.executable)} -m millrace airflow backfill create {shlex.join(asked)}")


def plan(
    model: Annotated[str, typer.Option(help="Name from the model catalogue (bert-base, gpt2-xl …) or a config.json.")],
    rows: Annotated[int, typer.Option(min=1, help="Number of training rows.")],
    hardware: Annotated[
        list[str], typer.Option(help="auto, 4xh100-sxm …; repeat it to compare; any: 1 to 8 of every GPU.")
    ] = ["auto"],  # noqa: B006
    length: Annotated[int, typer.Option(min=1, help="Tokens per row, padding included.")] = 128,
    head: Annotated[Literal["classifier", "language_model"], typer.Option(help="Output layers.")] = "classifier",
    labels: Annotated[int, typer.Option(min=1, help="Labels of a classifier.")] = 2,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the rows.")] = 3,
    batch_size: Annotated[int, typer.Option(min=1, help="Rows per step over all devices.")] = 32,
    workers: Annotated[int, typer.Option(min=1, help="Pods of the worker group.")] = 1,
    precision: Annotated[Precision, typer.Option(help="Number format of the training.")] = "float32",
    fused_attention: Annotated[
        bool, typer.Option("--fused-attention", help="Attention without its score matrix.")
    ] = False,
    recompute: Annotated[
        bool,
        typer.Option("--recompute", help="Keep the blocks' inputs only; recompute other activations."),
    ] = False,
    cluster: Annotated[
        Path | None, typer.Option(help="File with the output of `kubectl get resourcequotas,nodes,pods -A -o json`.")
    ] = None,
    team: Annotated[str, typer.Option(help="Team whose namespace is used, if teams have their own.")] = "team",
    best: Annotated[bool, typer.Option("--best", help="Show the Pareto frontier in time, energy, money.")] = False,
    aim: Annotated[
        Literal["seconds", "joules", "cost"] | None, typer.Option(help="Show only the choice with the least of this.")
    ] = None,
    within_hours: Annotated[float | None, typer.Option(min=0, help="Limit of the P90 duration.")] = None,
    output: Annotated[Literal["table", "json"], typer.Option(help="Format.")] = "table",
) -> None:
    """Predict what a training takes on given hardware: seconds, memory, joules, money, gCO2e; no model is built."""
    from millrace.sizing import frontier, query
    from millrace.sizing.frontier import capacities

    settings = load_settings()
    config = query.read_json(Path(model)) if model.endswith(".json") else None
    asked = query.SizingQuery(
        model, rows, length, head, labels, epochs, batch_size, workers, 1, precision, fused_attention, recompute, config
    )
    job, site, now = asked.job(), settings.site_rates(), datetime.now(UTC)
    pods = settings.cluster().for_team(team, team)
    left = capacities(query.read_json(cluster), pods.namespace, pods.gpu_resource) if cluster else []
    named = [
        each
        for name in hardware
        for each in (settings.any_hardware(precision) if name == "any" else [settings.hardware(name)])
    ]
    found = [frontier.choice(job, each, site, capacities=left, starts_at=now) for each in named]
    if aim or within_hours is not None:
        decided = frontier.decide(found, aim or "joules", None if within_hours is None else within_hours * 3600)
        found = [decided] if decided else []
    elif best:
        found = frontier.frontier(found)
    if not found:
        typer.echo("nothing of it fits, or not in time: ask for one hardware alone to see why")
    elif output == "json":
        typer.echo(query.document(asked, found))
    else:
        typer.echo("\n".join(query.table(asked, found)))


def trace_model(
    dag_id: str,
    dag_run_conf: Annotated[str, typer.Option(help="Run parameters (JSON), as for `airflow dags trigger`.")] = "{}",
    port: Port = 8080,
) -> None:
    """Trace a workload's model in the train image's environment, so that plans cover a custom trainer."""
    from millrace.planning.run_plan import trace_model

    found = trace_model(imagined_run(dag_id, dag_run_conf, port), load_settings())
    typer.echo(
        f"{found.parameters:,} parameters, lengths {[each.length for each in found.lengths]}: {found.request_sha256}"
    )
