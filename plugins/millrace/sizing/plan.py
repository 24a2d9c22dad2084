"""The first, analytic plan of a run."""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from millrace.contracts.data import DatasetVersion, Profile
from millrace.contracts.errors import BadInputError
from millrace.contracts.measurement import Hardware, Quantity
from millrace.contracts.parameters import Parameters
from millrace.contracts.plan import Plan
from millrace.contracts.traced import TracedModel
from millrace.contracts.workload import Workload
from millrace.energy.estimate import estimated_joules
from millrace.sizing import calibration as known
from millrace.sizing.catalogue import Site
from millrace.sizing.families import model_size
from millrace.sizing.layers import ModelSize
from millrace.sizing.prices import emissions, money

Bottleneck = Literal["compute", "memory_bandwidth", "input"]
_TEST_ROWS_AT_LEAST = 1_000
_VALIDATION_ROWS_AT_MOST = 50_000


@dataclass(frozen=True)
class _Work:
    """Rows that a run takes, after its cap, and what the machine does a second."""

    size: ModelSize
    train_rows: int
    validation_rows: int
    test_rows: int
    bytes: int
    epochs: int
    steps: int
    flops_per_second: float
    workers: int

    @property
    def training_flops(self) -> float:
        return self.size.training_flops_per_row * self.train_rows * self.epochs


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
) -> Plan:
    """Predict what the run will take on ``hardware``, from formulas alone: no model is built.

    ``profile`` is the published data's; ``base_config`` the base model's ``config.json``, None without one.
    Seconds are by step and in all, without queue and approval; the P90 of the sum is the sum of the P90s, which is
    more than nine in ten. Peak memory is the training step's. Cost and gCO2e are None where the site has no rates.
    Raises BadInputError for an unknown trainer and where there is nothing to train on.
    """
    made_at = made_at or datetime.now(UTC)
    work = _work(workload, parameters, profile, base_config, traced, hardware)
    seconds = _seconds_by_step(work, workload)
    busy = {step: _busy_cores(step, hardware) for step in seconds}
    machines = {step: parameters.workers if step == "train" else 1 for step in seconds}
    joules = {
        step: machines[step] * estimated_joules(hardware, wall, wall * busy[step]) for step, wall in seconds.items()
    }
    machine_seconds = _quantity(sum(wall * machines[step] for step, wall in seconds.items()), known.SECONDS_P90)
    whole_seconds = _quantity(sum(seconds.values()), known.SECONDS_P90)
    whole_joules = _quantity(sum(joules.values()), known.SECONDS_P90)
    cost = money(machine_seconds, whole_joules, hardware, site, made_at, whole_seconds.p50)
    document = Plan(
        made_at=made_at,
        dataset=dataset,
        model_parameters=work.size.parameters,
        forward_flops_per_row=work.size.forward_flops_per_row,
        training_flops=work.training_flops,
        train_rows=work.train_rows,
        tokens_per_epoch=round(work.size.tokens_per_row * work.train_rows) or None,
        seconds_by_step={step: _quantity(wall, known.SECONDS_P90) for step, wall in seconds.items()},
        seconds=whole_seconds,
        machine_seconds=machine_seconds,
        peak_memory_bytes=_quantity(_peak_memory_bytes(work, parameters), known.MEMORY_P90),
        joules=whole_joules,
        cost=cost,
        currency=site.currency if cost else None,
        gco2e=emissions(whole_joules, site, made_at, whole_seconds.p50),
        hardware=hardware,
        site=site.name,
        cluster=cluster,
        bottleneck=_bottleneck(work),
        sha256="0" * 64,
    )
    return document.model_copy(update={"sha256": plan_digest(document)})


def plan_digest(plan: Plan) -> str:
    """SHA-256 of the plan's canonical JSON (sorted keys, no spaces) without the digest itself."""
    document = plan.model_dump(mode="json", exclude={"sha256"})
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _work(
    workload: Workload,
    parameters: Parameters,
    profile: Profile | None,
    base_config: Mapping[str, Any] | None,
    traced: TracedModel | None,
    hardware: Hardware,
) -> _Work:
    rows = profile.rows_by_split if profile else {}
    train_rows = rows.get("train", 0)
    if profile is None or not train_rows:
        raise BadInputError(
            "there are no training rows",
            where=f"workload {workload.name}: rows by split are {rows}",
            rule="a model is trained on at least one row",
            remedy="ingest more data, or lower split.validation_fraction and split.test_fraction",
        )
    validation_rows, test_rows = rows.get("validation", 0), rows.get("test", 0)
    if parameters.rows:
        train_rows = min(train_rows, parameters.rows)
        validation_rows = min(validation_rows, max(_TEST_ROWS_AT_LEAST, parameters.rows // 4))
        test_rows = min(test_rows, max(_TEST_ROWS_AT_LEAST, parameters.rows // 2))
    return _Work(
        size=model_size(workload, parameters, profile, base_config, traced),
        train_rows=train_rows,
        validation_rows=min(validation_rows, _VALIDATION_ROWS_AT_MOST),
        test_rows=test_rows,
        bytes=profile.bytes,
        epochs=parameters.epochs,
        steps=math.ceil(train_rows / parameters.batch_size) * parameters.epochs,
        flops_per_second=hardware.cores * hardware.gflops_per_core * 1e9,
        workers=parameters.workers,
    )


def _compute_seconds(work: _Work) -> float:
    return work.training_flops / (work.flops_per_second * work.workers)


def _optimiser_seconds(work: _Work) -> float:
    return work.steps * work.size.parameters * known.OPTIMISER_BYTES / known.HOST_BYTES_PER_SECOND


def _encode_seconds(work: _Work) -> float:
    return (work.train_rows + work.validation_rows) / known.ROWS_ENCODED_PER_SECOND


def data_seconds(size_bytes: int) -> float:
    """Ingesting and validating arrivals of that size."""
    return sum(_data_seconds(size_bytes).values())


def _data_seconds(size_bytes: int) -> dict[str, float]:
    return {
        "ingest": known.INGEST_START_SECONDS + size_bytes / known.INGEST_BYTES_PER_SECOND,
        "validate": known.VALIDATE_START_SECONDS + size_bytes / known.VALIDATE_BYTES_PER_SECOND,
    }


def _seconds_by_step(work: _Work, workload: Workload) -> dict[str, float]:
    size = work.size
    text = size.tokens_per_row > 0
    trace = known.TABLE_TRACE_SECONDS
    if text:
        trace = known.FIRST_TRACE_SECONDS + known.SECOND_TRACE_SECONDS * (len(size.row_shares) > 1)
    row_seconds = size.forward_flops_per_row / work.flops_per_second
    train = known.IMPORT_SECONDS + known.TRAIN_FILES_SECONDS + trace + _encode_seconds(work)
    train += _compute_seconds(work) + _optimiser_seconds(work) + work.validation_rows * row_seconds
    evaluate = known.EVALUATE_START_SECONDS + work.train_rows / known.BASELINE_ROWS_PER_SECOND
    evaluate += (work.test_rows + known.LATENCY_REQUESTS) * row_seconds
    return {
        **_data_seconds(work.bytes),
        "size": known.SMALL_STEP_SECONDS,
        "train": train,
        "export": known.IMPORT_SECONDS + (known.EXPORT_SECONDS if text else known.TABLE_EXPORT_SECONDS),
        "evaluate": evaluate,
        "gate": known.SMALL_STEP_SECONDS,
        "roll_out": known.ROLL_OUT_SECONDS,
        "watch": workload.serving.watch_seconds,
        "close": known.SMALL_STEP_SECONDS,
    }


def _busy_cores(step: str, hardware: Hardware) -> float:
    if step in ("train", "evaluate"):
        return known.BUSY_SHARE * hardware.cores
    return 0.1 if step == "watch" else 1.0


def _peak_memory_bytes(work: _Work, parameters: Parameters) -> float:
    states = work.size.parameters * known.TRAINING_BYTES_PER_PARAMETER
    kept_bytes = known.FLOAT_BYTES * work.size.kept_values(work.size.longest)
    activations = known.ACTIVATION_OVERHEAD * parameters.batch_size * kept_bytes
    traces = known.TEXT_TRACE_BYTES if work.size.tokens_per_row else 0.0
    return known.FRAMEWORK_BYTES + states + activations + traces


def _bottleneck(work: _Work) -> Bottleneck:
    candidates: dict[Bottleneck, float] = {
        "compute": _compute_seconds(work),
        "memory_bandwidth": _optimiser_seconds(work),
        "input": _encode_seconds(work),
    }
    return max(candidates, key=lambda name: candidates[name])


def _quantity(p50: float, spread: float) -> Quantity:
    return Quantity(p50=p50, p90=p50 * spread)
