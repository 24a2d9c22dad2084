"""Waits for the hours in which a run's energy has the lowest emissions or cost."""

from typing import Any

from airflow.providers.standard.triggers.temporal import DateTimeTrigger
from airflow.sdk import Context

from millrace.orchestration.admission import admission
from millrace.orchestration.operators.workload import WorkloadOperator
from millrace.orchestration.run_entry import open_run, try_key
from millrace.policies.ruling import Defer
from millrace.policies.start_hours import start_hours
from millrace.runs import step_specs


class StartSensor(WorkloadOperator):
    """Waits in the triggerer, without a worker, until the start in the plan; ends at once if that is absent or past.

    A person who marks it successful in Airflow lets the training begin at once. Admission comes before the wait, so
    that a run that will not train does not wait, and a person is asked before the wait and not at its end.
    """

    def execute(self, context: Context) -> str:
        """Admit the run and defer until the plan's start, if that is in the future."""
        run = open_run(self.workload, context, self.settings, self.ledger)
        plan = step_specs.plan_of(run, self.ledger)
        if plan is None or plan.start is None:
            return "nothing to wait for"
        ruling = start_hours(admission(run, self.ledger, self.settings, context))
        if isinstance(ruling, Defer):
            key = try_key(run, self.task_id, context)
            with self.reporting(key, f"airflow:{context['ti'].id}", run.parameters.hardware):
                self.enter(run, context)
            self.log.info("%s", ruling.about)
            self.defer(trigger=DateTimeTrigger(moment=ruling.until), method_name="begin")
        return plan.start.reason

    def begin(self, context: Context, event: Any) -> str:  # noqa: ANN401 - Airflow's own
        """End the task after the wait."""
        return "waited for its hours"
