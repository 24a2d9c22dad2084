"""The site's hardware catalogue and its sites, from a YAML file."""

import os
from pathlib import Path
from typing import Any, Self, TypeVar

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
_CGROUP = Path("/sys/fs/cgroup")
C = TypeVar("C", bound=Contract)


class Site(Contract):
    """A data centre's rates. What is None is unknown, and so is what follows from it."""

    name: str
    hardware: str = Field(default=_GENERIC, description='the entry that "auto" means here')
    pue: float | None = Field(default=None, ge=1, description="facility energy over IT energy")
    price_per_kwh: float | None = Field(default=None, ge=0)
    currency: str | None = Field(default=None, pattern=r"^[A-Z]{3}$")
    gco2e_per_kwh: float | None = Field(default=None, ge=0)

    @model_validator(mode="after")
    def _priced_in_something(self) -> Self:
        if self.price_per_kwh is not None and self.currency is None:
            raise ValueError("price_per_kwh needs a currency")
        return self


def hardware(name: str, catalogue: Path = CATALOGUE) -> Hardware:
    """An entry of the catalogue; "auto" is this machine.

    Raises BadInputError for a name that the catalogue lacks, and for an entry that is not well formed.
    """
    entry = _entry(catalogue, "hardware", _GENERIC if name == AUTO else name, extra=[AUTO])
    if entry.get("cores") == _MACHINE:
        entry["cores"] = machine_cores()
    if entry.get("memory_bytes") == _MACHINE:
        entry["memory_bytes"] = machine_memory_bytes()
    return _checked(Hardware, entry, catalogue, "hardware")


def hardware_names(catalogue: Path = CATALOGUE) -> list[str]:
    """The entries of the catalogue. Raises BadInputError for a file that cannot be read."""
    return sorted(_section(catalogue, "hardware"))


def site(name: str, catalogue: Path = CATALOGUE) -> Site:
    """A site's rates. Raises BadInputError for a site that the catalogue lacks or that is not well formed."""
    return _checked(Site, _entry(catalogue, "sites", name), catalogue, "sites")


def machine_cores(cgroup: Path = _CGROUP) -> int:
    """The cores that this process may use: its affinity, and its container's quota (cgroup v2)."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota, period = _words(cgroup / "cpu.max", 2)
    if quota.isdigit() and period.isdigit():
        cores = min(cores, max(1, int(quota) // int(period)))
    return cores


def machine_memory_bytes(cgroup: Path = _CGROUP) -> int:
    """The memory that this process may use: the machine's, and its container's limit (cgroup v2)."""
    total = int(psutil.virtual_memory().total)
    (limit,) = _words(cgroup / "memory.max", 1)
    return min(total, int(limit)) if limit.isdigit() else total


def _words(file: Path, count: int) -> list[str]:
    try:
        words = file.read_text().split()
    except OSError:
        words = []
    return (words + [""] * count)[:count]


def _entry(catalogue: Path, section: str, name: str, extra: list[str] | None = None) -> dict[str, Any]:
    entries = _section(catalogue, section)
    known = sorted([*entries, *(extra or [])])
    if name not in entries:
        raise BadInputError(
            f"{name!r} is not in the catalogue",
            where=f"{catalogue.name}, {section}",
            rule=f"one of {known}",
            remedy="name one of them, or add an entry to the catalogue",
        )
    return {**(entries[name] or {}), "name": name}


def _section(catalogue: Path, section: str) -> dict[str, Any]:
    try:
        entries = yaml.safe_load(catalogue.read_text(encoding="utf-8"))[section]
        return dict(entries)
    except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
        raise BadInputError(
            f"the catalogue cannot be read: {error}",
            where=str(catalogue),
            rule="YAML with the sections hardware and sites",
            remedy="correct the file",
        ) from error


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
