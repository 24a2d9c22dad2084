"""Prices a run before it is trained."""

import json
from typing import Any

from airflow.sdk import Context

from millrace import orders
from millrace.contracts.plan import Plan
from millrace.operators.workload import WorkloadOperator
from millrace.run import Run
from millrace.sizing.plan import make_plan
from millrace.storage import files

CONFIG_FILE = "config.json"


class SizeOperator(WorkloadOperator):
    """Stores the plan in the ledger, which refuses it once training has begun."""

    def work(self, run: Run, context: Context) -> Any:  # noqa: ANN401 - Airflow's own
        """Plan on the newest published version; the XCom is the plan's summary."""
        dataset = orders.newest_dataset(run, self.ledger)
        base = orders.base_model(run)
        config = json.loads(files.read_bytes(files.join(base.uri, CONFIG_FILE))) if base else None
        plan = make_plan(
            run.workload,
            run.parameters,
            dataset=dataset,
            profile=self.ledger.profile(run.workload.name, until=dataset.until),
            base_config=config,
            hardware=self.settings.hardware(run.parameters.hardware),
            site=self.settings.site_rates(),
            cluster=self.settings.cluster().context if self.settings.launcher == "kubernetes" else None,
        )
        self.ledger.store_plan(run.dag_id, run.run_id, run.repeat, plan)
        for line in describe(plan):
            self.log.info("%s", line)
        return {"seconds": plan.seconds.p50, "joules": plan.joules.p50, "sha256": plan.sha256}


def describe(plan: Plan) -> list[str]:
    """The plan in a few lines, each figure with the value that nine runs in ten stay under."""
    return [
        f"dataset version {plan.dataset.version} up to {plan.dataset.until}, {plan.train_rows:,} training rows",
        f"{plan.model_parameters:,} parameters, {plan.training_flops:.3g} FLOPs, bound by {plan.bottleneck}",
        f"seconds {plan.seconds.p50:,.0f} (90 %: {plan.seconds.p90:,.0f})",
        f"memory  {plan.peak_memory_bytes.p50 / 2**20:,.0f} MiB (90 %: {plan.peak_memory_bytes.p90 / 2**20:,.0f})",
        f"energy  {plan.joules.p50 / 3600:,.2f} Wh (90 %: {plan.joules.p90 / 3600:,.2f})",
        f"on {plan.hardware.name}, {plan.hardware.cores} cores; plan {plan.sha256[:12]}",
    ]
