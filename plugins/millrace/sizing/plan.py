"""A run's plan, made before training."""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from millrace.contracts.calibration import Calibration
from millrace.contracts.data import DatasetVersion, Profile
from millrace.contracts.errors import BadInputError
from millrace.contracts.measurement import Hardware
from millrace.contracts.parameters import Parameters
from millrace.contracts.plan import Plan
from millrace.contracts.traced import TracedModel
from millrace.contracts.workload import Workload
from millrace.sizing.catalogue import Site
from millrace.sizing.estimate import estimate
from millrace.sizing.families import model_size
from millrace.sizing.job import Job
from millrace.sizing.prices import RateForecasts
from millrace.sizing.start import with_start


def make_plan(
    workload: Workload,
    parameters: Parameters,
    *,
    dataset: DatasetVersion,
    profile: Profile | None,
    base_config: Mapping[str, Any] | None,
    hardware: Hardware,
    site: Site,
    traced: TracedModel | None = None,
    cluster: str | None = None,
    made_at: datetime | None = None,
    calibration: Calibration | None = None,
    forecasts: RateForecasts | None = None,
) -> Plan:
    """Predict what the run takes on ``hardware``, from formulas alone: no model is built.

    ``profile`` is that of the published data; ``base_config`` the base model's ``config.json``, None without one;
    ``calibration`` the factors learned for this hardware and family, None for the priors. Seconds are per step and in
    total, without queue and approval. Peak memory is the training step's. Cost and gCO2e are None if the site has no
    rates; if the workload's policy and the run allow a delayed start, they are for the hours of its best start, from
    ``forecasts`` or the site's daily rates. Raises BadInputError for an unknown trainer or without training rows.
    """
    made_at = made_at or datetime.now(UTC)
    job = job_of(workload, parameters, profile, base_config, traced)
    found = estimate(job, hardware, site, calibration=calibration, starts_at=made_at, on_cluster=cluster is not None)
    document = Plan(
        made_at=made_at,
        dataset=dataset,
        model_parameters=job.size.parameters,
        forward_flops_per_row=job.size.forward_flops_per_row,
        training_flops=job.training_flops,
        train_rows=job.train_rows,
        tokens_per_epoch=round(job.size.tokens_per_row * job.train_rows) or None,
        seconds_by_step=dict(found.seconds_by_step),
        seconds=found.seconds,
        machine_seconds=found.machine_seconds,
        peak_memory_bytes=found.host_memory_bytes,
        peak_gpu_memory_bytes=found.device_memory_bytes,
        joules=found.joules,
        train_watts=found.train_watts,
        cost=found.cost,
        currency=found.currency,
        gco2e=found.gco2e,
        hardware=hardware,
        site=site.name,
        cluster=cluster,
        bottleneck=found.bottleneck,
        memory_by_part=dict(found.host_memory),
        gpu_memory_by_part=dict(found.device_memory),
        joules_by_part=dict(found.joules_by_part),
        facility_joules=found.facility_joules,
        network_bytes_per_second=found.network_bytes_per_second,
        disk_bytes_per_second=found.disk_bytes_per_second,
        storage_bytes=found.storage_bytes,
        power_limit_watts=found.power_limit.watts if found.power_limit else None,
        unfit=found.unfit,
        family=workload.training.trainer,
        parts={name: dict(parts) for name, parts in found.parts.items()},
        calibration=calibration.version if calibration else None,
        sha256="0" * 64,
    )
    if workload.timing is not None and parameters.start == "policy":
        document = with_start(document, workload.timing, site, forecasts)
    return document.model_copy(update={"sha256": plan_digest(document)})


def plan_digest(plan: Plan) -> str:
    """Return the SHA-256 of the plan's canonical JSON (sorted keys, no spaces) without the digest itself."""
    document = plan.model_dump(mode="json", exclude={"sha256"})
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def job_of(
    workload: Workload,
    parameters: Parameters,
    profile: Profile | None,
    base_config: Mapping[str, Any] | None,
    traced: TracedModel | None = None,
) -> Job:
    """Return the run's work. Raises BadInputError as make_plan does."""
    rows = profile.rows_by_split if profile else {}
    train_rows = rows.get("train", 0)
    if profile is None or not train_rows:
        raise BadInputError(
            "there are no training rows",
            where=f"workload {workload.name}: rows by split are {rows}",
            rule="a model is trained on at least one row",
            remedy="ingest more data, or lower split.validation_fraction and split.test_fraction",
        )
    test_rows = rows.get("test", 0)
    precision = workload.training.options.get("precision")
    return Job(
        size=model_size(workload, parameters, profile, base_config, traced),
        train_rows=min(train_rows, parameters.rows or train_rows),
        validation_rows=min(rows.get("validation", 0), parameters.validation_rows),
        test_rows=min(test_rows, parameters.test_rows or test_rows),
        bytes=profile.bytes,
        epochs=parameters.epochs,
        batch_rows=parameters.batch_size,
        workers=parameters.workers,
        precision="mixed_bfloat16" if precision == "mixed_bfloat16" else "float32",
        watch_seconds=workload.serving.watch_seconds,
    )
