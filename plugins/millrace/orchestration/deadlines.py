"""A reference for Airflow's deadline alerts: the predicted end of a run, from the newest plan of its DAG."""

import logging
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk.definitions.deadline import BaseDeadlineReference

log = logging.getLogger(__name__)


class PredictedFinish(BaseDeadlineReference):
    """The run's creation plus the P90 seconds in the newest plan of its DAG.

    If that plan waits for cleaner or cheaper hours, the time from the plan to the deadline of that wait is used
    instead. Without a plan, or if the ledger does not answer, there is no deadline and so no alert.
    """

    required_kwargs = frozenset({"dag_id"})

    def _evaluate_with(self, *, session: Any, dag_id: str) -> datetime | None:  # noqa: ANN401 - Airflow's own
        # imported here: the plugin imports this module in every process of Airflow
        from millrace.settings import load_settings

        try:
            plan = load_settings().ledger().views.newest_plan(dag_id)
        except Exception:  # a run must begin even if the ledger fails
            log.exception("no deadline for a run of %s", dag_id)
            return None
        if plan is None:
            return None
        return datetime.now(UTC) + (
            plan.start.deadline - plan.made_at if plan.start else timedelta(seconds=plan.seconds.p90)
        )
