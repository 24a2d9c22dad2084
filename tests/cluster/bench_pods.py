"""A no-op as a deferrable pod task, thirty times in a row, the image present: seconds of the whole task.

    make cluster-bench

The step is a real one, ingest on a day without arrivals: spec and report through the store, the report in the ledger.
"""

import json
from statistics import median

import pytest

from tests.cluster.conftest import AirflowEnv

DAG = "noop_pods"


@pytest.mark.timeout(900)
def test_noop_pods(airflow_env: AirflowEnv, capsys: pytest.CaptureFixture[str]) -> None:
    run_id = airflow_env.trigger(DAG, partition_from="2020-01-01", partition_to="2020-01-01")
    airflow_env.await_run(DAG, run_id, 800)
    tasks = airflow_env.api.tasks(DAG, run_id)
    seconds = sorted(float(task["duration"]) for task in tasks.values())
    with capsys.disabled():
        figures = {"n": len(seconds), "median_seconds": round(median(seconds), 2), "max_seconds": round(seconds[-1], 2)}
        print(json.dumps({"bench": "noop pods", **figures, "all": seconds}))
    assert {task["state"] for task in tasks.values()} == {"skipped"}, "not every pod found nothing to do"
