"""When a run ought to be over, for Airflow's deadline alerts, by what sizing said of its workload."""

import logging
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk.definitions.deadline import BaseDeadlineReference

log = logging.getLogger(__name__)


class PredictedFinish(BaseDeadlineReference):
    """The moment until which nine runs in ten have ended, by the newest plan of the run's DAG.

    Counted from the run's creation. Where the workload waits for cleaner or cheaper hours it is those hours' deadline.
    There is none, and so no alert, before the DAG's first plan and where the ledger does not answer.
    """

    required_kwargs = frozenset({"dag_id"})

    def _evaluate_with(self, *, session: Any, dag_id: str) -> datetime | None:  # noqa: ANN401 - Airflow's own
        # the plugin has this class, and so every process of Airflow
        from millrace.settings import load_settings

        try:
            plan = load_settings().ledger().views.newest_plan(dag_id)
        except Exception:  # a run begins in any case
            log.exception("no deadline for a run of %s", dag_id)
            return None
        if plan is None:
            return None
        return datetime.now(UTC) + (
            plan.start.deadline - plan.made_at if plan.start else timedelta(seconds=plan.seconds.p90)
        )
