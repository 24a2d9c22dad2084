"""The estimate against a calculation by hand."""

import pytest

from millrace.contracts.measurement import Hardware
from millrace.energy.estimate import estimated_joules


def test_idle_for_the_machine_and_active_for_the_work(hardware: Hardware) -> None:
    # 4 cores idling at 2 W for 10 s, and 15 core-seconds at 10 W above that
    assert estimated_joules(hardware, wall_seconds=10, cpu_seconds=15) == pytest.approx(80 + 150)
