"""Commands for the store of datasets and models, and the exporter of the ledger's metrics."""

from pathlib import Path
from typing import Annotated

import typer

from millrace.cli.invocation import load_settings, person


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


def sweep(apply: Annotated[bool, typer.Option("--apply", help="Remove what was found.")] = False) -> None:
    """List what the retention settings allow to remove from the store; files of a live version are never listed."""
    from millrace.orchestration.servers.answering import held
    from millrace.runs.retention import Retention

    settings = load_settings()
    found = Retention.of(settings, held, person()).sweep(apply=apply)
    for each in found:
        typer.echo(f"{each.kind:10} {each.items:6} files {each.size_bytes:15,} bytes  {each.uri}")
    total = sum(each.size_bytes for each in found)
    typer.echo(f"{total:,} bytes {'are gone' if apply else 'may go: say --apply'}")


def storage() -> None:
    """Print how many bytes each workload stores, and a linear forecast for 30 and 90 days."""
    from millrace.orchestration.servers.answering import held
    from millrace.runs.retention import Retention, forecasts

    settings = load_settings()
    ledger = settings.ledger()
    Retention.of(settings, held).measure()
    for workload, stored, soon, later in forecasts(ledger.storage_sizes(settings.store)):
        expected = "no forecast before a second measurement"
        if soon is not None:
            expected = f"{soon:,.0f} in 30 days, {later:,.0f} in 90"
        typer.echo(f"{workload:24} {stored:18,} bytes; {expected}")


def add_base_model(name: str, folder: Path) -> None:
    """Copy a Hugging Face folder (safetensors, tokenizer.json) into the model store with a manifest of digests."""
    from millrace.runs.run import base_model_uri
    from millrace.storage import folders

    uri = base_model_uri(load_settings().store, name)
    typer.echo(f"{name}: {uri}, manifest {folders.add_base_model(folder, uri)[:12]}")
