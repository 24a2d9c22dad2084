"""Airflow DAG `chain`: 21 tasks that do nothing but say when they began, beside the real pipeline's imports."""

import time
from datetime import UTC, datetime
from typing import Any

from airflow.sdk import DAG, BaseOperator, chain

import millrace.pipeline


class BeganOperator(BaseOperator):
    """Returns the time at which ``execute`` was entered."""

    def execute(self, context: Any) -> float:
        return time.time()


assert callable(millrace.pipeline.build_dag)
with DAG("chain", start_date=datetime(2026, 1, 1, tzinfo=UTC), schedule=None, catchup=False) as dag:
    chain(*[BeganOperator(task_id=f"task_{number:02}") for number in range(21)])
