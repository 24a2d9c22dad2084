"""Run the Airflow of commit 88ba4e7 end to end and keep its ledger and store beside this file; see README.md."""

import contextlib
import gzip
import importlib.util
import io
import os
import shlex
import sqlite3
import subprocess
import sys
import tarfile
from datetime import date
from pathlib import Path
from typing import Any

ROWS_A_DAY = 900
DAG = "machine_faults"
DAYS = [date(2026, 3, day) for day in range(2, 6)]
HOME_PLACEHOLDER = "@HOME@"
# what a step leaves on its machine, and what the new code never opens again
LEFT_OUT = {"lock", "process.json", "log.txt", "static", "trained", "validations", "expectations"}


def main(old: Path, home: Path) -> None:
    """Make the runs with the checkout ``old`` in the new folder ``home``."""
    given = importlib.util.spec_from_file_location("old_conftest", old / "tests/e2e/conftest.py")
    assert given
    assert given.loader
    module = importlib.util.module_from_spec(given)
    given.loader.exec_module(module)
    dags = home / "dags"
    dags.mkdir(parents=True)
    (dags / f"{DAG}.py").write_bytes((old / f"tests/e2e/dags/{DAG}.py").read_bytes())
    airflow = module.Plant(home, dags)
    for day in DAYS:
        airflow.deliver(day, rows=ROWS_A_DAY)
    with airflow.running():
        for name, conf in (
            ("first", window(DAYS[0], DAYS[0])),
            ("second", window(DAYS[0], DAYS[1])),
            ("absent", window(date(2025, 1, 1), date(2025, 1, 1))),
            ("dry", window(DAYS[1], DAYS[1]) | {"dry_run": True}),
            ("untrained", window(DAYS[1], DAYS[1]) | {"train": "never"}),
            ("two workers", window(DAYS[1], DAYS[1]) | {"workers": 2}),
        ):
            row = airflow.finish(airflow.run(**conf))
            print(name, row["state"], row["reason"], row["decision"], row["model_version"], flush=True)
        break_a_file(airflow.arrivals / DAG / f"{DAYS[2]}.csv")
        row = airflow.finish(airflow.run(**window(DAYS[2], DAYS[2])))
        print("bad input", row["state"], row["reason"], flush=True)
        over_budget(old, airflow)
    keep(home, Path(__file__).parent)


def keep(home: Path, folder: Path) -> None:
    """Write the ledger as SQL text and the store as an archive, with a placeholder for ``home``."""

    def neutral(text: str) -> str:
        return text.replace(str(home), HOME_PLACEHOLDER).replace(f"{os.uname().nodename}:", "host:")

    with contextlib.closing(sqlite3.connect(home / "ledger.db")) as database:
        (folder / "ledger.sql").write_text(neutral("\n".join(database.iterdump())) + "\n")
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for path in sorted((home / "store").rglob("*")):
            name = path.relative_to(home)
            if not path.is_file() or LEFT_OUT & set(name.parts) or is_bulky(name):
                continue
            content = path.read_bytes()
            if "models" not in name.parts and path.suffix in (".json", ".jsonl", ".html"):
                content = neutral(content.decode()).encode()
            entry = tarfile.TarInfo(str(name))
            entry.size, entry.mtime = len(content), int(path.stat().st_mtime)
            archive.addfile(entry, io.BytesIO(content))
    (folder / "store.tar.gz").write_bytes(gzip.compress(packed.getvalue(), mtime=0))


def is_bulky(name: Path) -> bool:
    """Return whether a file is a checkpoint or a staged partition of a run that has ended."""
    return name.parts[1] == "runs" and (name.suffix == ".parquet" or any(p.startswith("state-") for p in name.parts))


def window(first: date, last: date) -> dict[str, Any]:
    """The parameters of a run for these days."""
    return {"partition_from": f"{first}", "partition_to": f"{last}"}


def break_a_file(file: Path) -> None:
    """Put a label into a row that the workload does not declare."""
    lines = file.read_text().splitlines()
    lines[40] = lines[40].rsplit(",", 1)[0] + ",exploded"
    file.write_text("\n".join(lines) + "\n")


def over_budget(old: Path, airflow: Any) -> None:
    """A backfill of one day with a budget that is too small; a person rejects it."""
    day = f"{DAYS[3]}"
    asked = ["--dag-id", DAG, "--from-date", day, "--to-date", day, "--budget-kwh", "0.000001"]
    priced = subprocess.run(
        [sys.executable, "-m", "millrace", "price-backfill", *asked],
        env=airflow.airflow.environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    print(priced.stdout, priced.stderr, flush=True)
    airflow.api.unpause(DAG)
    airflow.command(*shlex.split(priced.stdout.strip().splitlines()[-1].partition(" airflow ")[2]))

    def run_id() -> str:
        rows = airflow.ledger.run_summary(dag_id=DAG, limit=200)
        return next((row["run_id"] for row in rows if row["partition"] == day), "")

    found = airflow.wait(run_id, "the backfill's run")

    def decided() -> bool:
        with contextlib.suppress(Exception):
            airflow.api.decide(DAG, found, "Reject", "divide")
            return True
        return False

    airflow.wait(decided, "the question")
    row = airflow.finish(found)
    print("over budget", row["state"], row["reason"], flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
