"""Sizing on request: a model of the catalogue, rows of one length, hardware by name; the result as a table or JSON."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from millrace.contracts.errors import BadInputError
from millrace.contracts.measurement import Precision, Quantity
from millrace.sizing.estimate import serving
from millrace.sizing.frontier import Choice
from millrace.sizing.job import Job
from millrace.sizing.prices import JOULES_PER_KWH
from millrace.sizing.transformer import Head, TransformerShape, shape

_GIB = 2**30
_REQUEST_ROWS = (1, 8, 32)
_TOKEN_BYTES = 4.5
"""Bytes of a token of text in UTF-8. Assumed."""


@dataclass(frozen=True)
class SizingQuery:
    """A sizing request; ``config`` is a Hugging Face ``config.json`` that replaces the catalogue's model."""

    model: str
    rows: int
    length: int
    head: Literal["classifier", "language_model"] = "classifier"
    labels: int = 2
    epochs: int = 3
    batch_rows: int = 32
    workers: int = 1
    accumulation: int = 1
    precision: Precision = "float32"
    fused_attention: bool = False
    recompute: bool = False
    config: Mapping[str, Any] | None = None

    def job(self) -> Job:
        """Return the work; validation and test each have a tenth as many rows as training, in addition to it.

        Raises BadInputError for an unknown model, or a configuration that cannot be read.
        """
        if self.config is None:
            found = shape(self.model)
        else:
            found = TransformerShape.from_config(
                self.config, "gpt2" if self.config.get("model_type") == "gpt2" else "bert"
            )
        return Job(
            size=found.size({self.length: 1.0}, Head(self.head, labels=self.labels)),
            train_rows=self.rows,
            validation_rows=self.rows // 10,
            test_rows=self.rows // 10,
            bytes=round(1.2 * self.rows * self.length * _TOKEN_BYTES),
            epochs=self.epochs,
            batch_rows=self.batch_rows,
            workers=self.workers,
            accumulation=self.accumulation,
            precision=self.precision,
            fused_attention=self.fused_attention,
            recompute=self.recompute,
        )


def read_json(path: Path) -> Mapping[str, Any]:
    """Return the JSON object in a file. Raises BadInputError if there is none."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        found = error
    if not isinstance(found, dict):
        raise BadInputError(
            f"it cannot be read: {found}",
            where=str(path),
            rule="a JSON object in a file",
            remedy="name such a file, or a model of the catalogue",
        )
    return found


def table(query: SizingQuery, choices: Sequence[Choice]) -> list[str]:
    """Return one choice in full, several side by side, as lines of text."""
    return _full(query, choices[0]) if len(choices) == 1 else _beside(choices)


def document(query: SizingQuery, choices: Sequence[Choice]) -> str:
    """Return the choices as JSON, in SI units."""
    found = [
        {
            "hardware": each.hardware.name,
            "accumulation": each.job.accumulation,
            "unfit": each.unfit,
            "flops_by_layer": each.job.size.flops_by_layer(query.length),
            "training_flops": each.job.training_flops,
            "optimiser_flops": each.job.size.optimiser_flops * each.job.steps,
            "parameters": each.job.size.parameters,
            **asdict(each.estimate),
            "requests": [
                {"rows": rows, "seconds_p50": latency.p50, "seconds_p99": latency.p90, "joules": joules}
                for rows, (latency, joules) in _served(query, each).items()
            ],
        }
        for each in choices
    ]
    return json.dumps(found, default=lambda value: value.model_dump(), indent=1)


def _full(query: SizingQuery, each: Choice) -> list[str]:
    found, size = each.estimate, each.job.size
    step = found.step
    lines = [
        f"{query.model} on {each.hardware.name}, {each.job.batch_rows} rows a step"
        + (f" in {each.job.accumulation} parts" if each.job.accumulation > 1 else "")
        + f", {query.precision}",
        f"parameters      {size.parameters:,}",
        f"FLOPs           {each.job.training_flops:.4g} in all, {size.training_flops_per_row:.4g} a row, "
        f"{size.optimiser_flops:.3g} a step of the optimiser",
        *(
            f"  {name:22} {forward:10.4g} forward {backward:10.4g} backward"
            for name, (forward, backward) in size.flops_by_layer(query.length).items()
            if forward
        ),
        f"step            {step.total:.4g} s, {found.rows_per_second:,.0f} rows/s; bound by {found.bottleneck}",
        f"  products {step.products:.3g}, element-wise {step.elementwise:.3g}, optimiser {step.optimiser:.3g}, "
        f"launches {step.launches:.3g}, exchange {step.exchange:.3g} s",
        f"whole run       {_both(found.seconds, 1)} s",
        *(f"  {name:12} {_both(quantity, 1)} s" for name, quantity in found.seconds_by_step.items() if quantity.p50),
        f"host memory     {_both(found.host_memory_bytes, _GIB)} GiB: {_parts(found.host_memory, _GIB)}",
    ]
    if found.device_memory_bytes:
        lines.append(
            f"GPU memory      {_both(found.device_memory_bytes, _GIB)} GiB: {_parts(found.device_memory, _GIB)}"
        )
    lines += [
        f"energy          {_both(found.joules, JOULES_PER_KWH)} kWh: {_parts(found.joules_by_part, JOULES_PER_KWH)}",
        f"  with the building's share {_both(found.facility_joules, JOULES_PER_KWH)} kWh",
        f"money           {_both(found.cost, 1)} {found.currency or ''}".rstrip(),
        f"gCO2e           {_both(found.gco2e, 1)}",
        f"network, disk   {found.network_bytes_per_second / 1e6:,.2f}, {found.disk_bytes_per_second / 1e6:,.2f} MB/s; "
        f"storage {found.storage_bytes / 1e9:,.2f} GB",
        "a request",
    ]
    for rows, (latency, joules) in _served(query, each).items():
        lines.append(
            f"  of {rows:2} rows     p50 {latency.p50 * 1e3:,.2f} ms, p99 {latency.p90 * 1e3:,.2f} ms, {joules:,.3g} J"
        )
    if found.power_limit:
        limit = found.power_limit
        lines.append(
            f"power limit     {limit.watts:,.0f} W a GPU: {limit.slower:.1%} slower, {limit.saved:.0%} less GPU energy"
        )
    lines.append(f"fits            {'yes' if not each.unfit else 'no: ' + '; '.join(each.unfit)}")
    return lines


def _served(query: SizingQuery, each: Choice) -> dict[int, tuple[Quantity, float]]:
    return {rows: serving(each.job, query.length, rows, each.hardware) for rows in _REQUEST_ROWS}


def _beside(choices: Sequence[Choice]) -> list[str]:
    lines = [f"{'hardware':18} {'hours':>9} {'90 %':>9} {'kWh':>10} {'money':>10} {'gCO2e':>10}  bound by"]
    for each in choices:
        found = each.estimate
        cost, carbon = (f"{value.p50:,.2f}" if value else "unknown" for value in (found.cost, found.gco2e))
        says = found.bottleneck if not each.unfit else f"does not fit: {'; '.join(each.unfit)}"
        lines.append(
            f"{each.hardware.name:18} {found.seconds.p50 / 3600:9.3f} {found.seconds.p90 / 3600:9.3f} "
            f"{found.joules.p50 / JOULES_PER_KWH:10.4f} {cost:>10} {carbon:>10}  {says}"
        )
    return lines


def _both(quantity: Quantity | None, unit: float) -> str:
    if quantity is None:
        return "unknown: the site has no rates for it in the catalogue"
    return f"{quantity.p50 / unit:,.4g} (90 %: {quantity.p90 / unit:,.4g})"


def _parts(parts: Mapping[str, float], unit: float) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {value / unit:,.3g}" for name, value in parts.items())
