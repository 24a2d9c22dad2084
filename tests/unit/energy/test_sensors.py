"""Which sensors are found, which zones are added, and that nothing slow is imported for nothing."""

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from millrace.energy.sensors import open_sensors
from tests.unit.energy.replay import ReplaySensors

HERE = Path(__file__).parent


class FakeGpus:
    """Two GPUs as zeus shows them; the second is a MIG slice without a counter."""

    def __init__(self) -> None:
        self.millijoules = 1_000_000
        self.error: Exception | None = None

    def __len__(self) -> int:
        return 2

    def supports_get_total_energy_consumption(self, index: int) -> bool:
        return index == 0

    def get_total_energy_consumption(self, index: int) -> int:
        assert index == 0
        if self.error:
            raise self.error
        return self.millijoules


class Zones:
    """Package 0 with DRAM and core, and psys, as files below a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("package-0", "dram", "psys"):
            self.set(name, 0)

    def set(self, name: str, microjoules: int) -> None:
        (self.folder / name).write_text(f"{microjoules}\n")

    def file(self, name: str) -> SimpleNamespace:
        return SimpleNamespace(name=name, energy_uj_path=str(self.folder / name), max_energy_range_uj=1e9)

    @property
    def cpus(self) -> list[SimpleNamespace]:
        return [
            SimpleNamespace(rapl_file=self.file("package-0"), dram=self.file("dram")),
            SimpleNamespace(rapl_file=self.file("psys"), dram=None),
        ]


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> Any:
    package, module = ModuleType("zeus"), ModuleType("zeus.device")
    monkeypatch.setitem(sys.modules, "zeus", package)
    monkeypatch.setitem(sys.modules, "zeus.device", module)
    return module


def test_without_devices_there_are_no_sensors_and_zeus_is_not_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "zeus", None)  # importing it raises
    sensors = open_sensors(tmp_path / "nvidiactl", tmp_path / "intel-rapl")
    assert sensors.joules() is None
    assert sensors.method is None


def test_gpu_alone_is_nvml_in_joules(device: Any, tmp_path: Path) -> None:
    gpus = FakeGpus()
    device.get_gpus = lambda: gpus
    sensors = open_sensors(tmp_path, tmp_path / "absent")
    sensors.start()
    gpus.millijoules += 250_000
    sensors.sample()
    assert (sensors.method, sensors.joules()) == ("nvml", pytest.approx(250))


def test_package_and_dram_are_added_and_psys_never(device: Any, tmp_path: Path) -> None:
    zones = Zones(tmp_path)
    device.get_cpus = lambda: zones
    sensors = open_sensors(tmp_path / "absent", tmp_path)
    sensors.start()
    for name, microjoules in (("package-0", 30_000_000), ("dram", 4_000_000), ("psys", 90_000_000)):
        zones.set(name, microjoules)
    sensors.sample()
    assert (sensors.method, sensors.joules()) == ("rapl", pytest.approx(34))


def test_a_package_that_wraps(device: Any, tmp_path: Path) -> None:
    zones = Zones(tmp_path)
    zones.set("package-0", 999_000_000)
    device.get_cpus = lambda: zones
    sensors = open_sensors(tmp_path / "absent", tmp_path)
    sensors.start()
    zones.set("package-0", 2_000_000)
    sensors.sample()
    assert sensors.joules() == pytest.approx(3)


def test_both(device: Any, tmp_path: Path) -> None:
    gpus, zones = FakeGpus(), Zones(tmp_path)
    device.get_gpus, device.get_cpus = (lambda: gpus), (lambda: zones)
    sensors = open_sensors(tmp_path, tmp_path)
    sensors.start()
    gpus.millijoules += 5_000
    zones.set("package-0", 7_000_000)
    sensors.sample()
    assert (sensors.method, sensors.joules()) == ("nvml+rapl", pytest.approx(12))


def test_a_closed_rapl_leaves_the_gpu_and_says_why(
    device: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    gpus = FakeGpus()

    def refuse() -> None:
        raise PermissionError("RAPL requires root")

    device.get_gpus, device.get_cpus = (lambda: gpus), refuse
    sensors = open_sensors(tmp_path, tmp_path)
    sensors.start()
    gpus.millijoules += 1_000
    sensors.sample()
    assert (sensors.method, sensors.joules()) == ("nvml", pytest.approx(1))
    assert "RAPL requires root" in caplog.text


def test_a_gpu_that_cannot_be_read_is_unknown(device: Any, tmp_path: Path) -> None:
    gpus = FakeGpus()
    gpus.error = RuntimeError("GPU is lost")
    device.get_gpus = lambda: gpus
    sensors = open_sensors(tmp_path, tmp_path / "absent")
    sensors.start()
    sensors.sample()
    assert (sensors.method, sensors.joules()) == (None, None)


def test_gpu_memory_is_tensorflows_own_peak(device: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    device.get_gpus = FakeGpus
    sensors = open_sensors(tmp_path, tmp_path / "absent")
    assert sensors.peak_gpu_memory_bytes() is None
    peaks = {"GPU:0": {"peak": 300}, "GPU:11": {"peak": 11}}
    config = SimpleNamespace(
        list_logical_devices=lambda _kind: [SimpleNamespace(name=f"/device:{name}") for name in peaks],
        experimental=SimpleNamespace(get_memory_info=peaks.__getitem__),
    )
    monkeypatch.setitem(sys.modules, "tensorflow", SimpleNamespace(config=config))
    assert sensors.peak_gpu_memory_bytes() == 311


def test_replay_follows_the_clock_and_ends_with_the_trace(tmp_path: Path, clock: SimpleNamespace) -> None:
    trace = tmp_path / "trace.csv"
    trace.write_text("time_seconds,gpu0_millijoules,package0_microjoules\n0,1000,0\n10,6000,2000000\n20,7000,2000000\n")
    sensors = ReplaySensors(trace, lambda: clock.seconds)
    sensors.start()
    clock.seconds += 5
    sensors.sample()
    assert sensors.joules() == pytest.approx(2.5 + 1)
    clock.seconds += 95
    sensors.sample()
    assert sensors.joules() == pytest.approx(8)
    assert sensors.seen_seconds == pytest.approx(20)
    assert sensors.method == "nvml+rapl"
