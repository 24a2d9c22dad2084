"""A run's plan, from what its site, its base model and its data's profile are."""

import json

from millrace import orders
from millrace.contracts.data import DatasetVersion, Profile
from millrace.contracts.plan import Plan
from millrace.run import Run
from millrace.settings import Settings
from millrace.sizing.backfill import BackfillPrice, Delivery, price_backfill
from millrace.sizing.plan import make_plan
from millrace.storage import files
from millrace.storage.arrivals import arrived_bytes

CONFIG_FILE = "config.json"


def plan_run(run: Run, dataset: DatasetVersion, profile: Profile | None, settings: Settings) -> Plan:
    """Price ``run`` on ``dataset``. Raises BadInputError as make_plan does, and without the base model."""
    base = orders.base_model(run)
    config = json.loads(files.read_bytes(files.join(base.uri, CONFIG_FILE))) if base else None
    return make_plan(
        run.workload,
        run.parameters,
        dataset=dataset,
        profile=profile,
        base_config=config,
        hardware=settings.hardware(run.parameters.hardware),
        site=settings.site_rates(),
        cluster=settings.cluster().context if settings.launcher == "kubernetes" else None,
    )


def price_run(run: Run, plan: Plan | None, settings: Settings) -> BackfillPrice:
    """What ``run`` takes: the data steps of its days, and with a plan all that follows them."""
    return price_backfill(
        [Delivery(day, arrived_bytes(run.workload.dataset.source, day)) for day in run.window.days],
        [plan] if plan else [],
        hardware=settings.hardware(run.parameters.hardware),
        site=settings.site_rates(),
        max_active_runs=1,
    )
