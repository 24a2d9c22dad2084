"""Shell commands to run after a new workload's file is written."""

import shlex
import sys
from datetime import date, timedelta
from pathlib import Path

from millrace.cli.scaffold.first_rows import file_ending
from millrace.storage import files


def placing(name: str, sample: Path, workload: Path, arrivals: str) -> list[str]:
    """Return shell commands that copy the sample to yesterday's arrivals, check the workload and run that day.

    They name this Python, because a shell that has not activated its environment finds another one.
    """
    millrace = f"{shlex.quote(sys.executable)} -m millrace"
    day = date.today() - timedelta(days=1)
    uri = files.join(arrivals, name, f"{day}{file_ending(sample)}")
    given = shlex.quote(str(sample))
    if uri.startswith("file://"):
        place = files.local_path(uri)
        lines = [f"mkdir -p {shlex.quote(str(place.parent))} && cp {given} {shlex.quote(str(place))}"]
    else:
        lines = [f"copy {given} to {uri}"]
    lines.append(f"{millrace} check {shlex.quote(str(workload))}")
    lines.append(f"{millrace} up  # unless Airflow runs already")
    lines.append(f"{millrace} airflow dags unpause -y {name}")
    lines.append(f"{millrace} airflow backfill create --dag-id {name} --from-date {day} --to-date {day}")
    return ["next:", *(f"  {line}" for line in lines)]
