"""Makes a run's plan (seconds, memory, joules, money) before its training."""

from typing import Any

from airflow.sdk import Context

from millrace.contracts.plan import Plan
from millrace.orchestration.admission import admission
from millrace.orchestration.operators.workload import WorkloadOperator
from millrace.planning.run_plan import plan_run, require_examples
from millrace.policies.newest_run import newest_run
from millrace.policies.ruling import Allow
from millrace.runs import step_specs
from millrace.runs.run import Run


class SizeOperator(WorkloadOperator):
    """Stores the run's plan in the ledger, which refuses a plan after the training has begun."""

    def work(self, run: Run, context: Context) -> Any:  # noqa: ANN401 - Airflow's own
        """Plan for the newest published dataset version; the XCom is the plan's summary.

        Raises RefusedError if the run would train without an example of a required label.
        """
        dataset = step_specs.newest_dataset(run, self.ledger)
        profile = self.ledger.profile(run.workload.name, until=dataset.until, generation=dataset.generation)
        # the admission of the training, which repeats this rule, comes after the plan
        if profile and isinstance(newest_run(admission(run, self.ledger, self.settings, context)), Allow):
            require_examples(run.workload, dataset, profile)
        plan = plan_run(run, dataset, profile, self.settings)
        self.ledger.store_plan(run.dag_id, run.run_id, run.repeat, plan)
        for line in describe(plan):
            self.log.info("%s", line)
        return {"seconds": plan.seconds.p50, "joules": plan.joules.p50, "sha256": plan.sha256}


def describe(plan: Plan) -> list[str]:
    """Return the plan as lines of text, each prediction as its P50 and P90."""
    return [
        f"dataset version {plan.dataset.version} up to {plan.dataset.until}, {plan.train_rows:,} training rows",
        f"{plan.model_parameters:,} parameters, {plan.training_flops:.3g} FLOPs, bound by {plan.bottleneck}",
        f"seconds {plan.seconds.p50:,.0f} (90 %: {plan.seconds.p90:,.0f})",
        f"memory  {plan.peak_memory_bytes.p50 / 2**20:,.0f} MiB (90 %: {plan.peak_memory_bytes.p90 / 2**20:,.0f})",
        f"energy  {plan.joules.p50 / 3600:,.2f} Wh (90 %: {plan.joules.p90 / 3600:,.2f})",
        f"on {plan.hardware.name}, {plan.hardware.cores} cores; plan {plan.sha256[:12]}, "
        + ("from priors alone" if plan.calibration is None else f"calibration {plan.calibration}"),
        *([f"start   {plan.start.reason}, by {plan.start.rates}"] if plan.start else []),
        *(f"it may not fit: {reason}" for reason in plan.unfit),
    ]
