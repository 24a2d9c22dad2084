"""From one task's end to the next one's execute(): the median of 20, on a real local Airflow.

python tests/bench/handoff.py
"""

import itertools
import json
import statistics
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

from millrace.cli.demonstration.follow import AirflowApi
from millrace.cli.local_airflow import LocalAirflow

BAR_SECONDS = 0.5
PORT = 18480


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="millrace-bench-") as home:
        airflow = LocalAirflow(Path(home), PORT, Path(__file__).with_name("dags"))
        airflow.up()
        try:
            gaps = measure(AirflowApi(airflow))
        finally:
            airflow.down()
    median = statistics.median(gaps)
    print(
        json.dumps(
            {"bench": "handoff", "n": len(gaps), "median_seconds": round(median, 3), "max_seconds": round(max(gaps), 3)}
        )
    )
    return 0 if median <= BAR_SECONDS else 1


def measure(api: AirflowApi) -> list[float]:
    api.await_dag("chain")
    run_id = api.trigger("chain", {})
    deadline = time.monotonic() + 120
    while api.run_state("chain", run_id) not in ("success", "failed"):
        if time.monotonic() > deadline:
            raise TimeoutError("the chain did not end in 120 s")
        time.sleep(0.5)
    tasks = api.tasks("chain", run_id)
    names = sorted(tasks)
    began = {name: api.xcom("chain", run_id, name) for name in names}
    ended = {name: datetime.fromisoformat(str(tasks[name]["end_date"])).timestamp() for name in names}
    return [began[after] - ended[before] for before, after in itertools.pairwise(names)]


if __name__ == "__main__":
    sys.exit(main())
