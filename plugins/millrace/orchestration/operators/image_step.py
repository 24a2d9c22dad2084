"""The base class of the operators that run a step in its image."""

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


class ImageStepOperator(WorkloadOperator):
    """Base operator of steps: admits the run and makes the step spec for ``image``.

    If an earlier attempt of the same repeat has finished the same task, its report is used. Otherwise ``carry_out``,
    which a subclass implements, runs the step. ``part`` is a window of the run's days: the step then handles these
    days only. ``make_task`` is a function that returns the step's task (see millrace.runs.step_specs).
    """

    def __init__(
        self,
        *,
        image: str,
        make_task: attempts.MakeTask,
        part: Mapping[str, str] | None = None,
        **kwargs: Any,  # noqa: ANN401
    ) -> None:
        super().__init__(**kwargs)
        # not named `image`: KubernetesPodOperator has a template field of that name
        self.step_image = image
        self.make_task = make_task
        self.part = part

    def opened(self, context: Context) -> Run:
        """Return the run, entered in the ledger; with ``part``, its window is this task's days."""
        run = open_run(self.workload, context, self.settings, self.ledger)
        return run if self.part is None else replace(run, window=Window.model_validate(self.part))

    def execute(self, context: Context) -> Any:  # noqa: ANN401 - Airflow's own
        """Run the step, or use an earlier attempt's report; the XCom is the report's reason."""
        run = self.opened(context)
        key = try_key(run, self.task_id, context)
        with self.reporting(key, f"airflow:{context['ti'].id}", run.parameters.hardware):
            self.enter(run, context)
            spec = attempts.make_spec(run, key, self.make_task, self.settings, self.ledger)
        finished = attempts.finished_earlier(run, spec)
        if finished is not None:
            self.log.info("an earlier try had finished: its report is taken")
            self.clear_up(context)
            return attempts.conclude(spec, finished, attempts.ADOPTED, self.ledger, self.log.info)
        return self.carry_out(run, spec, context)

    def clear_up(self, context: Context) -> None:
        """Remove what the earlier attempt left running; the default does nothing, since processes leave nothing."""

    def carry_out(self, run: Run, spec: RunSpec, context: Context) -> Any:  # noqa: ANN401 - Airflow's own
        """Run the step in its image and commit its report; returns the report's reason."""
        raise NotImplementedError
