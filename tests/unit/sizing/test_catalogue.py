"""The catalogue: this machine, entries of a site's own, and errors that name what there is."""

import os
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest

from millrace.contracts.errors import BadInputError
from millrace.contracts.measurement import Quantity
from millrace.sizing.catalogue import CATALOGUE, gpu_names, hardware, machine_cores, machine_memory_bytes, site
from millrace.sizing.prices import emissions

OWN = """
hardware:
  big:
    cores: 64
    gflops_per_core: 60
    idle_watts_per_core: 1
    active_watts_per_core: 3
    memory_bytes: 1000
    price_per_hour: 2.5
  broken:
    cores: 0
sites:
  north: {pue: 1.2, price_per_kwh: 0.2, currency: EUR, gco2e_per_kwh: 30}
  unpriced: {price_per_kwh: 0.2}
"""


@pytest.fixture
def own(tmp_path: Path) -> Path:
    path = tmp_path / "own.yaml"
    path.write_text(OWN)
    return path


@pytest.mark.parametrize("name", ["auto", "cpu"])
def test_this_machine(name: str) -> None:
    found = hardware(name)
    assert found.name == "cpu"
    assert 1 <= found.cores <= len(os.sched_getaffinity(0))
    assert 0 < found.memory_bytes <= psutil.virtual_memory().total


def test_a_containers_share(tmp_path: Path) -> None:
    (tmp_path / "cpu.max").write_text("100000 100000\n")
    (tmp_path / "memory.max").write_text("123456789\n")
    assert machine_cores(tmp_path) == 1
    assert machine_memory_bytes(tmp_path) == 123456789


def test_a_container_without_limits(tmp_path: Path) -> None:
    (tmp_path / "cpu.max").write_text("max 100000\n")
    (tmp_path / "memory.max").write_text("max\n")
    assert machine_cores(tmp_path) == len(os.sched_getaffinity(0))
    assert machine_memory_bytes(tmp_path) == psutil.virtual_memory().total


def test_a_sites_own_entries(own: Path) -> None:
    assert hardware("big", own).cores == 64
    assert (site("north", own).pue, site("north", own).currency) == (1.2, "EUR")


def test_the_default_site_knows_no_rates() -> None:
    local = site("local")
    assert (local.pue, local.price_per_kwh, local.currency, local.gco2e_per_kwh) == (None, None, None, None)


def test_an_unknown_entry_names_the_known_ones() -> None:
    with pytest.raises(BadInputError, match="'cpu'") as caught:
        hardware("h900")
    assert "h900" in caught.value.what
    assert CATALOGUE.name in caught.value.where
    with pytest.raises(BadInputError, match="'local'"):
        site("moon")


def test_a_broken_entry_names_its_field(own: Path) -> None:
    with pytest.raises(BadInputError, match="cores") as caught:
        hardware("broken", own)
    assert "hardware.broken" in caught.value.where
    with pytest.raises(BadInputError, match="currency"):
        site("unpriced", own)


@pytest.mark.parametrize("text", ["", "hardware: [", "sites: {}"])
def test_a_broken_catalogue_names_its_file(tmp_path: Path, text: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(BadInputError) as caught:
        hardware("cpu", path)
    assert caught.value.where == str(path)


def test_gpus_come_with_their_share_of_a_host() -> None:
    four = hardware("4xh100-sxm")
    assert (four.name, four.gpus, four.gpu) == ("4xh100-sxm", 4, "NVIDIA-H100-80GB-HBM3")
    assert four.device is not None
    assert (four.device.peak_watts, four.cores) == (700, 4 * hardware("1xt4").cores)
    assert {"p100-sxm", "v100-sxm", "a100-80-sxm", "h200-sxm", "b200-sxm"} <= set(gpu_names())
    with pytest.raises(BadInputError, match="h100-sxm"):
        hardware("4xh900")


def test_a_processor_by_its_clock_and_vectors() -> None:
    # two AVX-512 units at 3 GHz are 192 GFLOP/s a core, 96 a thread
    assert hardware("xeon-8480").gflops_per_core == pytest.approx(0.7 * 96)
    assert hardware("epyc-9654").gflops_per_core < hardware("xeon-8480").gflops_per_core


def test_rates_by_the_hour(own: Path) -> None:
    hourly = ", ".join(str(hour) for hour in range(24))
    own.write_text(own.read_text() + f"  south: {{pue: 1, gco2e_per_kwh: [{hourly}]}}\n")
    south = site("south", own)
    one_kwh = Quantity(p50=3.6e6, p90=3.6e6)
    at = datetime(2024, 1, 1, 22, 30, tzinfo=UTC)
    found = [emissions(one_kwh, south, at, seconds) for seconds in (1800, 3600, 86_400, 2 * 86_400 + 1800)]
    grams = [each.p50 for each in found if each]
    assert grams == pytest.approx([22, 22.5, 11.5, (2 * 86_400 * 11.5 + 1800 * 22) / (2 * 86_400 + 1800)])
    own.write_text(own.read_text().replace("[0, ", "["))
    with pytest.raises(BadInputError, match="south"):
        site("south", own)
