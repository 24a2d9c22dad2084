"""Makes a run's plan from its site, base model and data profile."""

import json
from collections.abc import Sequence
from functools import cache
from typing import Any

from millrace.contracts.data import DatasetVersion, Profile
from millrace.contracts.errors import RefusedError, StepError
from millrace.contracts.plan import Plan
from millrace.contracts.traced import TracedModel, TraceRequest
from millrace.contracts.workload import Workload
from millrace.runs import step_specs
from millrace.runs.run import Run
from millrace.settings import Settings
from millrace.sizing.backfill import BackfillPrice, Delivery, price_backfill
from millrace.sizing.families import is_known, trace_request
from millrace.sizing.plan import make_plan
from millrace.sizing.prices import RateForecasts, read_forecasts
from millrace.storage import files
from millrace.storage.arrivals import arrived_bytes

CONFIG_FILE = "config.json"
_FORECAST_BYTES = 2**20


def trace_model(run: Run, settings: Settings) -> TracedModel:
    """Trace the run's model in the train image's environment on this machine, once per configuration."""
    request = trace_request(run.workload, run.parameters, _base_config(run))
    found = _traced(request, settings)
    if found is None:
        answer = settings.process_launcher().answer("train", "trace", request.model_dump_json())
        found = TracedModel.model_validate_json(answer)
        files.write_bytes(_trace_uri(request, settings), answer.encode())
    return found


def plan_run(run: Run, dataset: DatasetVersion, profile: Profile | None, settings: Settings) -> Plan:
    """Return the plan of ``run`` on ``dataset``. Raises as plan_runs does."""
    (plan,) = plan_runs([(run, dataset, profile)], settings)
    return plan


def plan_runs(asked: Sequence[tuple[Run, DatasetVersion, Profile | None]], settings: Settings) -> list[Plan]:
    """Return the plans of several runs of one workload; shared inputs are read once.

    Raises BadInputError as make_plan does, and if the base model is missing.
    """
    if not asked:
        return []
    workload = asked[0][0].workload
    config = _base_config(asked[0][0])
    ledger, site = settings.ledger(), settings.site_rates()
    learned = cache(lambda hardware: ledger.calibration(hardware, workload.training.trainer))
    cluster = settings.cluster().context if settings.launcher == "kubernetes" else None
    forecasts = _forecasts(settings) if workload.timing is not None else None
    plans = []
    for run, dataset, profile in asked:
        hardware = settings.hardware(run.parameters.hardware)
        request = None if is_known(workload) else trace_request(workload, run.parameters, config)
        plans.append(
            make_plan(
                workload,
                run.parameters,
                dataset=dataset,
                profile=profile,
                base_config=config,
                traced=None if request is None else _traced(request, settings),
                hardware=hardware,
                calibration=learned(hardware.name),
                site=site,
                cluster=cluster,
                forecasts=forecasts,
            )
        )
    return plans


def require_examples(workload: Workload, dataset: DatasetVersion, profile: Profile) -> None:
    """Raise RefusedError if a label that is not optional has no training row in the data.

    The data stays published. Profiles from before such rows were counted are accepted.
    """
    target, counted = workload.dataset.target, profile.train_label_counts
    required = [label for label in target.labels if label not in target.optional_labels]
    if counted and (absent := [label for label in required if not counted.get(label)]):
        raise RefusedError(
            f"no training row yet has the labels {', '.join(absent)}; the data is published, nothing is trained",
            where=f"{dataset.uri} version {dataset.version}, partitions up to {dataset.until}",
            rule="each label of target.labels has a training row, unless it is among target.optional_labels",
            remedy="run a day again once rows of them have come, or declare them in target.optional_labels",
        )


def price_run(run: Run, plan: Plan | None, settings: Settings) -> BackfillPrice:
    """Return the price of ``run``: the data steps of its days, and with a plan all later steps."""
    return price_backfill(
        [Delivery(day, arrived_bytes(run.workload.dataset.source, day)) for day in run.window.days],
        [plan] if plan else [],
        hardware=settings.hardware(run.parameters.hardware),
        site=settings.site_rates(),
        max_active_runs=1,
    )


def _base_config(run: Run) -> dict[str, Any] | None:
    base = step_specs.base_model(run)
    return json.loads(files.read_bytes(files.join(base.uri, CONFIG_FILE))) if base else None


def _forecasts(settings: Settings) -> RateForecasts | None:
    """Return the site's forecast; if it cannot be read, the plan records the problem and the run goes on."""
    uri = settings.forecast_uri
    if not uri:
        return None
    try:
        return read_forecasts(files.read_bytes(uri, limit=_FORECAST_BYTES), uri)
    except StepError as error:
        return RateForecasts(uri, problem=error.what)
    except OSError as error:
        return RateForecasts(uri, problem=f"it cannot be read ({type(error).__name__})")


def _trace_uri(request: TraceRequest, settings: Settings) -> str:
    return files.join(settings.store, "traces", f"{request.sha256}.json")


def _traced(request: TraceRequest, settings: Settings) -> TracedModel | None:
    try:
        return TracedModel.model_validate_json(files.read_bytes(_trace_uri(request, settings)))
    except FileNotFoundError:
        return None
