"""The estimate against a calculation by hand."""

import pytest

from millrace.contracts.measurement import Gpu, Hardware
from millrace.energy.estimate import estimated_joules, idle_joules


def test_idle_for_the_machine_and_active_for_the_work(hardware: Hardware) -> None:
    # 4 cores idling at 2 W for 10 s, and 15 core-seconds at 10 W above that
    assert estimated_joules(hardware, wall_seconds=10, cpu_seconds=15) == pytest.approx(80 + 150)


def test_the_idle_share_is_that_of_what_the_sensors_see(hardware: Hardware) -> None:
    board = Gpu(
        name="g", product="G", memory_bytes=1, flops={}, bytes_per_second=1, link_bytes_per_second=1,
        idle_watts=50, peak_watts=300,
    )  # fmt: skip
    with_gpus = hardware.model_copy(update={"device": board, "gpus": 2})
    assert idle_joules(with_gpus, 10, "estimated", 500) == 80
    assert idle_joules(with_gpus, 10, "rapl", 500) == 80
    assert idle_joules(with_gpus, 10, "nvml", 5_000) == 1_000
    assert idle_joules(with_gpus, 10, "nvml+rapl", 5_000) == 1_080
    assert idle_joules(with_gpus, 10, "rapl", 60) == 60, "never more than was drawn"
    assert idle_joules(hardware, 10, "nvml", 5_000) is None, "the catalogue has no data sheet of this GPU"
