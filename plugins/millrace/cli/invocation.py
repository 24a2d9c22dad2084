"""What a command acts on: the settings, this machine's Airflow, and the person who calls it.

Imports are late where they take long, because not every command needs them.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from millrace.cli.local_airflow import LocalAirflow
    from millrace.ledger.records import Actor
    from millrace.runs.run import Run
    from millrace.settings import Settings

Port = Annotated[int, typer.Option(envvar="PORT", min=1024, max=65000, help="Port of Airflow's UI.")]


def load_settings() -> "Settings":
    """Return the settings of this process."""
    from millrace import settings

    return settings.load_settings()


def local_airflow(port: int) -> "LocalAirflow":
    """Return this machine's Airflow, whose UI has this port."""
    from millrace.cli.local_airflow import LocalAirflow

    return LocalAirflow(load_settings().home, port)


def imagined_run(dag_id: str, conf: str = "{}", port: int = 8080) -> "Run":
    """Return a run of a DAG of this machine's Airflow that nobody triggered, with parameters ``conf`` (JSON)."""
    from millrace.orchestration import backfill

    folder = Path(local_airflow(port).environment()["AIRFLOW__CORE__DAGS_FOLDER"])
    return backfill.imagined_run(dag_id, folder, conf, load_settings().store)


def person() -> "Actor":
    """Return the user of this shell as an actor for the audit."""
    import getpass

    from millrace.ledger.records import Actor

    return Actor(f"{getpass.getuser()} at a shell")
