"""``python -m millrace new-workload`` and ``check``: a workload's file, written and looked at."""

from pathlib import Path
from typing import Annotated

import typer


def new_workload(
    name: Annotated[str, typer.Argument(help="Of the workload and its file: lower-case letters, digits and '_'.")],
    sample: Annotated[
        Path | None,
        typer.Option("--from", exists=True, dir_okay=False, help="A file of arrivals whose first rows say what it is."),
    ] = None,
) -> None:
    """Write NAME.py into the folder of DAGs, a workload to fill in; with --from as a file's first rows suggest it.

    CSV and TSV of any dialect, JSON Lines and Parquet, plain or with gzip or zstd; at most the first MiB is read.
    """
    from millrace.cli.local_airflow import dags_folder
    from millrace.cli.scaffold import write_workload
    from millrace.cli.scaffold.placing import placing
    from millrace.settings import load_settings

    path = write_workload(name, dags_folder(), sample)
    if sample is None:
        typer.echo(f"wrote {path}: fill in its source, columns and labels")
    else:
        typer.echo(f"wrote {path}: look at its comments, first of all at the target")
        for line in placing(name, sample, path, load_settings().arrivals):
            typer.echo(line)


def check(files: Annotated[list[Path], typer.Argument(help="DAG files, or folders of them.")]) -> None:
    """Say what is wrong with workloads' files, each mistake with its line and remedy; Airflow is not imported.

    The files are run, as Airflow runs them. Exit code 0: nothing is wrong; 1: something is; 2: wrong usage.
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
