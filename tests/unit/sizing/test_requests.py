"""What a step's container asks for."""

import pytest

from millrace.contracts.measurement import Hardware
from millrace.sizing.requests import after_oom, fewer_rows, request

MIB = 1 << 20


@pytest.fixture
def gpu() -> Hardware:
    return Hardware(
        name="gpu",
        cores=8,
        gflops_per_core=50,
        idle_watts_per_core=1,
        active_watts_per_core=5,
        memory_bytes=1 << 36,
        gpu="H100",
        gpus=4,
    )


@pytest.mark.parametrize(("step", "cores", "gpus"), [("ingest", 1, 0), ("evaluate", 8, 0), ("train", 8, 4)])
def test_gpus_go_to_training_alone(gpu: Hardware, step: str, cores: int, gpus: int) -> None:
    asked = request(step, gpu, None, 1 << 31)
    assert (asked.cores, asked.gpus, asked.gpu) == (cores, gpus, "H100" if gpus else None)


def test_memory_is_the_plans_or_what_was_learned_rounded_up(gpu: Hardware) -> None:
    assert request("ingest", gpu, None, 100 * MIB).memory_bytes == 128 * MIB
    assert request("ingest", gpu, None, 128 * MIB).memory_bytes == 128 * MIB


def test_more_memory_after_a_death_for_want_of_it_until_the_cap() -> None:
    assert after_oom(1024 * MIB, 4096 * MIB) == 1536 * MIB
    assert after_oom(3072 * MIB, 4096 * MIB) == 4096 * MIB
    assert after_oom(4096 * MIB, 4096 * MIB) is None


def test_half_the_rows_where_a_device_has_no_room_down_to_one() -> None:
    assert [fewer_rows(rows) for rows in (33, 2, 1)] == [17, 1, None]
