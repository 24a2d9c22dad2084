"""The catalogue: hardware, sites and team budgets from a YAML file."""

import os
import re
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

import psutil
import yaml
from pydantic import Field, ValidationError, model_validator

from millrace.contracts.base import Contract
from millrace.contracts.errors import BadInputError
from millrace.contracts.measurement import Hardware

CATALOGUE = Path(__file__).with_name("hardware.yaml")
_MACHINE = "machine"
AUTO = "auto"
_GENERIC = "cpu"
_HOST = "gpu-host"
_SHARED = re.compile(r"([1-9][0-9]{0,4})x(.+)\Z")
# The share of a core's peak that large float32 matrix products reach. Assumed.
_REACHED = 0.7
_CGROUP = Path("/sys/fs/cgroup")
C = TypeVar("C", bound=Contract)
Rate = Annotated[float, Field(ge=0)]
Hourly = Annotated[tuple[Rate, ...], Field(min_length=24, max_length=24)]
"""A rate for each hour of the day, in UTC."""


class Site(Contract):
    """A data centre's rates. None is unknown, and values that derive from it are None too."""

    name: str
    hardware: str = Field(default=_GENERIC, description='the hardware that "auto" means at this site')
    pue: float | None = Field(default=None, ge=1, description="facility energy over IT energy")
    price_per_kwh: Rate | Hourly | None = Field(default=None)
    currency: str | None = Field(default=None, pattern=r"^[A-Z]{3}$")
    gco2e_per_kwh: Rate | Hourly | None = Field(default=None)
    power_cap_watts: float | None = Field(default=None, gt=0, description="most watts for all trainings together")

    @model_validator(mode="after")
    def _priced_in_something(self) -> Self:
        if self.price_per_kwh is not None and self.currency is None:
            raise ValueError("price_per_kwh needs a currency")
        return self


class TeamBudget(Contract):
    """What a team's runs that begin in one month (UTC) may take together, and the action for a run that exceeds it."""

    name: str
    kwh: float | None = Field(default=None, gt=0)
    gpu_hours: float | None = Field(default=None, gt=0)
    money: float | None = Field(default=None, gt=0, description="in the site's currency")
    action: Literal["warn", "ask", "refuse"] = "ask"

    @property
    def limits(self) -> dict[str, float]:
        """The amounts that are set, by name."""
        found = {"kwh": self.kwh, "gpu_hours": self.gpu_hours, "money": self.money}
        return {unit: amount for unit, amount in found.items() if amount is not None}


def hardware(name: str, catalogue: Path = CATALOGUE) -> Hardware:
    """Return an entry of the catalogue; "auto" is this machine, "4xh100-sxm" four GPUs with their share of a host.

    Raises BadInputError for a name that the catalogue lacks, and for a malformed entry.
    """
    shared = _SHARED.match(name)
    if shared:
        entry = _shared(int(shared[1]), shared[2], catalogue)
    else:
        entry = _entry(catalogue, "hardware", _GENERIC if name == AUTO else name, extra=[AUTO, "4xh100-sxm"])
    if isinstance(entry.get("device"), str):
        entry["device"] = _entry(catalogue, "gpus", entry["device"])
    if entry.get("cores") == _MACHINE:
        entry["cores"] = machine_cores()
    if entry.get("memory_bytes") == _MACHINE:
        entry["memory_bytes"] = machine_memory_bytes()
    if "clock_ghz" in entry:
        entry["gflops_per_core"] = _sustained_gflops(entry)
    return _checked(Hardware, entry, catalogue, "hardware")


def gpu_names(catalogue: Path = CATALOGUE) -> list[str]:
    """Return the GPUs whose data sheets are in the catalogue."""
    return sorted(_entries(catalogue, "gpus"))


def hardware_names(catalogue: Path = CATALOGUE) -> list[str]:
    """Return the hardware names of the catalogue. Raises BadInputError for a file that cannot be read."""
    return sorted(_entries(catalogue, "hardware"))


def site(name: str, catalogue: Path = CATALOGUE) -> Site:
    """Return a site's rates. Raises BadInputError for a site that the catalogue lacks or whose entry is malformed."""
    return _checked(Site, _entry(catalogue, "sites", name), catalogue, "sites")


def team_budget(name: str, catalogue: Path = CATALOGUE) -> TeamBudget | None:
    """Return a team's budget; None if the catalogue has none. Raises BadInputError for a malformed one."""
    entries = _entries(catalogue, "teams", optional=True)
    return (
        _checked(TeamBudget, {**(entries[name] or {}), "name": name}, catalogue, "teams") if name in entries else None
    )


def team_names(catalogue: Path = CATALOGUE) -> list[str]:
    """Return the teams that have a budget."""
    return sorted(_entries(catalogue, "teams", optional=True))


def machine_cores(cgroup: Path = _CGROUP) -> int:
    """Return the cores that this process may use: its affinity, limited by its container's quota (cgroup v2)."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota, period = _words(cgroup / "cpu.max", 2)
    if quota.isdigit() and period.isdigit():
        cores = min(cores, max(1, int(quota) // int(period)))
    return cores


def machine_memory_bytes(cgroup: Path = _CGROUP) -> int:
    """Return the memory that this process may use: the machine's, limited by its container (cgroup v2)."""
    total = int(psutil.virtual_memory().total)
    (limit,) = _words(cgroup / "memory.max", 1)
    return min(total, int(limit)) if limit.isdigit() else total


def _words(file: Path, count: int) -> list[str]:
    try:
        words = file.read_text().split()
    except OSError:
        words = []
    return (words + [""] * count)[:count]


def _shared(gpus: int, name: str, catalogue: Path) -> dict[str, Any]:
    """Return hardware of ``gpus`` GPUs, with one host share for each."""
    device = _entry(catalogue, "gpus", name)
    host = _entry(catalogue, "hardware", _HOST)
    price = device.get("price_per_hour")
    return {
        **host,
        "name": f"{gpus}x{name}",
        "cores": gpus * host["cores"],
        "memory_bytes": gpus * host["memory_bytes"],
        "gpu": device.get("product"),
        "gpus": gpus,
        "device": device,
        "price_per_hour": None if price is None else gpus * price,
    }


def _sustained_gflops(entry: dict[str, Any]) -> float:
    """Return sustained GFLOP/s per scheduled core: clock x float32 lanes x 2 per multiply-add x reached share."""
    clock, bits, units = (entry.pop(key, 0) for key in ("clock_ghz", "vector_bits", "fma_units"))
    return float(clock * bits / 32 * units * 2 * _REACHED / entry.pop("threads_per_core", 2))


@lru_cache(maxsize=4)
def _read(catalogue: Path, changed_at: int) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(catalogue.read_text(encoding="utf-8"))
    return found


def _entries(catalogue: Path, section: str, optional: bool = False) -> dict[str, Any]:
    try:
        found = _read(catalogue, catalogue.stat().st_mtime_ns)
        return dict(found.get(section) or {} if optional else found[section])
    except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
        raise BadInputError(
            f"the catalogue cannot be read: {error}",
            where=str(catalogue),
            rule="YAML with the sections hardware and sites",
            remedy="correct the file",
        ) from error


def _entry(catalogue: Path, section: str, name: str, extra: list[str] | None = None) -> dict[str, Any]:
    entries = _entries(catalogue, section)
    known = sorted([*entries, *(extra or [])])
    if name not in entries:
        raise BadInputError(
            f"{name!r} is not in the catalogue",
            where=f"{catalogue.name}, {section}",
            rule=f"one of {known}",
            remedy="name one of them, or add an entry to the catalogue",
        )
    return {**(entries[name] or {}), "name": name}


def _checked(kind: type[C], entry: dict[str, Any], catalogue: Path, section: str) -> C:
    try:
        return kind.model_validate(entry)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise BadInputError(
            f"{field}: {first['msg']}",
            where=f"{catalogue}, {section}.{entry['name']}",
            rule=f"the fields of {kind.__name__}",
            remedy="correct the entry",
        ) from error
