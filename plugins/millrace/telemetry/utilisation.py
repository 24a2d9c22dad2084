"""The measured bottleneck of a run's training, beside the predicted one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from millrace.contracts.measurement import Hardware
from millrace.ledger.database import Row

Bottleneck = Literal["compute", "memory_bandwidth", "launch", "input", "disk"]
# A device busy for at least this share of the time is the bottleneck: no measured model kept a pipe busier than 0.7.
_BUSY = 0.5
_PROCESSOR_BUSY = 0.75
# Assumed for hardware without a value in the catalogue: a local SSD.
_DISK_BYTES_PER_SECOND = 0.5e9


@dataclass(frozen=True)
class Utilisation:
    """Shares from 0 to 1 of the training step's time; None is unknown.

    ``processor`` is over all cores of the hardware entry, ``loading`` the time before training began, ``disk`` the
    bytes written over what the disk can write. ``tensor`` and ``gpu_memory`` are of GPUs, by dcgm-exporter.
    """

    processor: float | None
    loading: float | None
    disk: float | None
    tensor: float | None
    gpu_memory: float | None

    @property
    def bottleneck(self) -> Bottleneck | None:
        """The first of disk, GPU pipes or GPU memory, CPUs, loading that is busy; None if none is."""
        if self.disk is not None and self.disk >= _BUSY:
            return "disk"
        if self.tensor is not None and self.gpu_memory is not None:
            if max(self.tensor, self.gpu_memory) >= _BUSY:
                return "compute" if self.tensor >= self.gpu_memory else "memory_bandwidth"
            # an idle GPU waits for input rows, or for a host that launches kernels too slowly
            waits_for_rows = (self.processor or 0) >= _PROCESSOR_BUSY or (self.loading or 0) >= _BUSY
            return "input" if waits_for_rows else "launch"
        if self.loading is not None and self.loading >= _BUSY:
            return "input"
        if self.processor is not None and self.processor >= _PROCESSOR_BUSY:
            return "compute"
        return None


def of_run(tries: Sequence[Row], phases: Sequence[Row], hardware: Hardware, metered: Row | None) -> Utilisation | None:
    """Return the utilisation over all training attempts of a run; None for a run that did not train."""
    training = [row for row in tries if row["step"] == "train" and row["wall_seconds"]]
    wall = sum(row["wall_seconds"] for row in training)
    if not wall:
        return None
    written = [row["written_bytes"] for row in training]
    known = {row["phase"]: row["wall_seconds"] for row in phases if row["step"] == "train"}
    pace = hardware.disk_bytes_per_second or _DISK_BYTES_PER_SECOND
    return Utilisation(
        processor=min(1.0, sum(row["cpu_seconds"] for row in training) / (wall * hardware.cores)),
        loading=min(1.0, known["load"] / wall) if "load" in known else None,
        disk=None if None in written else min(1.0, sum(written) / wall / pace),
        tensor=metered["tensor_active"] if metered else None,
        gpu_memory=metered["gpu_memory_active"] if metered else None,
    )


def describe(found: Utilisation, predicted: str | None) -> str:
    """Return the utilisation as one line."""
    shares = {
        "cores": found.processor,
        "loading": found.loading,
        "disk": found.disk,
        "tensor pipes": found.tensor,
        "GPU memory": found.gpu_memory,
    }
    text = ", ".join(f"{name} {share:.0%}" for name, share in shares.items() if share is not None)
    return f"bound by {found.bottleneck or 'nothing that was measured'} (predicted: {predicted or 'unknown'}); {text}"
