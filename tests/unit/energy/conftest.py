"""Hardware and clocks for the energy tests."""

from types import SimpleNamespace

import pytest

from millrace.contracts.measurement import Hardware


@pytest.fixture
def clock() -> SimpleNamespace:
    """A clock that stands until ``seconds`` is moved; pass ``lambda: clock.seconds``."""
    return SimpleNamespace(seconds=100.0)


@pytest.fixture
def hardware() -> Hardware:
    return Hardware(
        name="test",
        cores=4,
        gflops_per_core=50,
        idle_watts_per_core=2,
        active_watts_per_core=10,
        memory_bytes=2**33,
    )
