"""The base of the operators that have a step done by its image."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from airflow.sdk import Context

from millrace.contracts.data import Window
from millrace.contracts.run_spec import RunSpec
from millrace.orchestration import attempts
from millrace.orchestration.operators.workload import WorkloadOperator
from millrace.orchestration.run_entry import open_run, try_key
from millrace.runs.run import Run


class OrderOperator(WorkloadOperator):
    """Admits the run, writes ``image``'s order, and takes the report of an earlier try that had finished it.

    ``part``, a window of the run's days, makes it do what a run of those days would. A subclass implements
    ``carry_out``, for an order that is still to do.
    """

    def __init__(
        self,
        *,
        image: str,
        order: attempts.Order,
        part: Mapping[str, str] | None = None,
        **kwargs: Any,  # noqa: ANN401
    ) -> None:
        super().__init__(**kwargs)
        # not `image`: KubernetesPodOperator has a template field of that name
        self.step_image = image
        self.order = order
        self.part = part

    def opened(self, context: Context) -> Run:
        """The run, or this task's part of it."""
        run = open_run(self.workload, context, self.settings, self.ledger)
        return run if self.part is None else replace(run, window=Window.model_validate(self.part))

    def execute(self, context: Context) -> Any:  # noqa: ANN401 - Airflow's own
        """Have the order carried out; the XCom is the report's reason."""
        run = self.opened(context)
        key = try_key(run, self.task_id, context)
        with self.reporting(key, f"airflow:{context['ti'].id}", run.parameters.hardware):
            self.enter(run, context)
            spec = attempts.make_spec(run, key, self.order, self.settings, self.ledger)
        finished = attempts.finished_earlier(run, spec)
        if finished is not None:
            self.log.info("an earlier try had finished: its report is taken")
            self.clear_up(context)
            return attempts.conclude(spec, finished, attempts.ADOPTED, self.ledger, self.log.info)
        return self.carry_out(run, spec, context)

    def clear_up(self, context: Context) -> None:
        """End what the earlier try left behind: a process leaves nothing."""

    def carry_out(self, run: Run, spec: RunSpec, context: Context) -> Any:  # noqa: ANN401 - Airflow's own
        """Have the image do it, and conclude with its report."""
        raise NotImplementedError
