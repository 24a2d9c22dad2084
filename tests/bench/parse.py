"""Parsing every DAG, beyond importing Airflow and its operators.

python tests/bench/parse.py
"""

import json
import sys
import time
from pathlib import Path

import airflow.providers.standard.operators.hitl
import airflow.sdk
from airflow.dag_processing.dagbag import DagBag

BAR_SECONDS = 1.0


def main() -> int:
    for name in ("BaseOperator", "BaseSensorOperator", "CronDataIntervalTimetable"):
        assert getattr(airflow.sdk, name)  # imports it
    folder = Path(__file__).resolve().parents[2] / "dags"
    began = time.perf_counter()
    bag = DagBag(dag_folder=str(folder))
    seconds = time.perf_counter() - began
    print(
        json.dumps(
            {"bench": "parse", "dags": len(bag.dags), "errors": len(bag.import_errors), "seconds": round(seconds, 3)}
        )
    )
    return 0 if seconds < BAR_SECONDS and not bag.import_errors else 1


if __name__ == "__main__":
    sys.exit(main())
