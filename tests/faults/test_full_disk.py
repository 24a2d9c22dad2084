"""A full disk: F15 of the catalogue of faults, on a small file system that is really full."""

import subprocess
from pathlib import Path

import pytest
from matrix import outcome
from matrix.plant import DAYS, Plant, machine_rows
from matrix.task import DAG, FAILED, OK, RUN_ID

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def crowded(small_disk: Path, zygotes: Path, tmp_path: Path) -> Plant:
    """A plant whose store is on the small disk, and the rest elsewhere."""
    plant = Plant(tmp_path / "crowded", zygotes, (small_disk / "store").as_uri())
    for day in DAYS:
        plant.deliver(day)
    return plant


def fill(disk: Path, left_bytes: int) -> Path:
    """Fill the disk up to a rest."""
    filler = disk / "filler"
    with filler.open("wb") as stream:
        try:
            while True:
                stream.write(b"x" * 65536)
                stream.flush()
        except OSError:
            pass
    size = filler.stat().st_size
    with filler.open("r+b") as stream:
        stream.truncate(max(0, size - left_bytes))
    return filler


def refused_for_want_of_room(plant: Plant, task: str, number: int = 1) -> None:
    code = plant.run(task, number)
    assert code == FAILED, f"{code}: waiting does not free a disk\n{plant.said()}"
    assert "free space" in plant.said() or "no room" in plant.said()
    outcome.check_readers(plant)
    assert not [key for key in plant.objects() if key.endswith(".part")], "a part stays where there is no room"


def test_f15_a_full_disk_ends_ingest_with_its_remedy_and_neighbours_go_on(
    crowded: Plant, plant: Plant, small_disk: Path
) -> None:
    crowded.deliver(DAYS[0], machine_rows(DAYS[0], 400_000))
    neighbour = plant.start("ingest")
    refused_for_want_of_room(crowded, "ingest")
    assert not [key for key in crowded.objects() if key.endswith(".parquet")]
    assert neighbour.wait(60) == OK
    plant.expect("validate")
    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    assert crowded.retry("ingest", 2) == OK, crowded.said()
    crowded.expect("validate")


@pytest.mark.parametrize("task", ["validate", "train", "export"])
def test_f15_a_disk_that_is_full_at_a_later_step_publishes_nothing_and_is_gone_on_from(
    crowded: Plant, small_disk: Path, task: str
) -> None:
    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    for earlier in ("ingest", "validate", "size", "train", "export"):
        if earlier == task:
            break
        crowded.expect(earlier)
    named = outcome.ledger_tables(crowded)
    filler = fill(small_disk, 24 << 10)
    refused_for_want_of_room(crowded, task)
    found = outcome.ledger_tables(crowded)
    assert (found["dataset_versions"], found["models"]) == (named["dataset_versions"], named["models"])
    filler.unlink()
    assert crowded.retry(task) == OK, crowded.said()
    outcome.check_readers(crowded)
    assert crowded.ledger.committed_report(DAG, RUN_ID, task) is not None
