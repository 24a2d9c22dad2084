"""Waits for the hours in which a run's energy emits, or costs, the least."""

from datetime import UTC, datetime
from typing import Any

from airflow.providers.standard.triggers.temporal import DateTimeTrigger
from airflow.sdk import Context

from millrace.orchestration.operators.workload import WorkloadOperator
from millrace.orchestration.run_entry import open_run, try_key


class StartSensor(WorkloadOperator):
    """Waits in the triggerer, without a worker, until the plan's start; not at all where there is none or it is past.

    Marked successful in Airflow, it lets the training begin. Admission comes before the waiting: a run that will not
    train waits for nothing, and who must be asked is asked by day.
    """

    def execute(self, context: Context) -> str:
        """Defer once, with a time alone."""
        run = open_run(self.workload, context, self.settings, self.ledger)
        plan = self.ledger.plan(run.dag_id, run.run_id)
        start = plan.start if plan else None
        if start is None:
            return "nothing to wait for"
        if start.at > datetime.now(UTC):
            key = try_key(run, self.task_id, context)
            with self.reporting(key, f"airflow:{context['ti'].id}", run.parameters.hardware):
                self.enter(run, context)
            self.log.info("%s, by %s", start.reason, start.rates)
            self.defer(trigger=DateTimeTrigger(moment=start.at), method_name="begin")
        return start.reason

    def begin(self, context: Context, event: Any) -> str:  # noqa: ANN401 - Airflow's own
        """The time has come."""
        return "waited for its hours"
