"""``python -m millrace new-workload`` and ``check``: write and check a workload's file."""

from pathlib import Path
from typing import Annotated

import typer

from millrace.cli.invocation import load_settings


def new_workload(
    name: Annotated[str, typer.Argument(help="Name of the workload and its file: lower-case letters, digits and '_'.")],
    sample: Annotated[
        Path | None,
        typer.Option(
            "--from", exists=True, dir_okay=False, help="Sample file: format and columns are guessed from it."
        ),
    ] = None,
) -> None:
    """Write a workload template, NAME.py, into the folder of DAGs; with --from it is filled in from a sample file.

    The sample is CSV or TSV of any dialect, JSON Lines or Parquet, uncompressed or with gzip or zstd. At most 1000 rows
    are read, and of a text file at most the first MiB.
    """
    from millrace.cli.local_airflow import dags_folder
    from millrace.cli.scaffold import write_workload
    from millrace.cli.scaffold.placing import placing

    path = write_workload(name, dags_folder(), sample)
    if sample is None:
        typer.echo(f"wrote {path}: fill in its source, columns and labels")
    else:
        typer.echo(f"wrote {path}: look at its comments, first of all at the target")
        for line in placing(name, sample, path, load_settings().arrivals):
            typer.echo(line)


def check(files: Annotated[list[Path], typer.Argument(help="DAG files, or folders of DAG files.")]) -> None:
    """Check workloads' files and print each mistake with its line and remedy; Airflow is not imported.

    The files are executed, as Airflow executes them. Exit code 0: no mistake; 1: at least one mistake; 2: wrong usage.
    """
    from millrace.cli.check.files import check, dag_files

    checked = check(dag_files(files))
    for mistake in checked.findings:
        typer.echo(mistake)
    for remark in checked.remarks:
        typer.echo(remark, err=True)
    for file, names in checked.workloads.items():
        if not any(mistake.file == file for mistake in checked.findings):
            typer.echo(f"{file}: {'workload ' + ', '.join(names) if names else 'no workload'}, nothing is wrong")
    if count := len(checked.findings):
        typer.echo(f"{count} mistake{'s' if count > 1 else ''}", err=True)
        raise typer.Exit(1)
