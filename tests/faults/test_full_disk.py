"""A full disk: F15 of the catalogue of faults, on a small file system that is really full."""

import subprocess
from pathlib import Path

import pytest
from matrix import outcome
from matrix.airflow_env import DAYS, AirflowEnv, machine_rows
from matrix.task import DAG, FAILED, OK, RUN_ID

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def crowded(small_disk: Path, fork_servers: Path, tmp_path: Path) -> AirflowEnv:
    """An Airflow environment whose store is on the small disk, and the rest elsewhere."""
    airflow_env = AirflowEnv(tmp_path / "crowded", fork_servers, (small_disk / "store").as_uri())
    for day in DAYS:
        airflow_env.deliver(day)
    return airflow_env


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


def refused_for_want_of_room(airflow_env: AirflowEnv, task: str, number: int = 1) -> None:
    code = airflow_env.run(task, number)
    assert code == FAILED, f"{code}: waiting does not free a disk\n{airflow_env.said()}"
    assert "free space" in airflow_env.said() or "no room" in airflow_env.said()
    outcome.check_readers(airflow_env)
    assert not [key for key in airflow_env.objects() if key.endswith(".part")], "a part stays where there is no room"


def test_f15_a_full_disk_ends_ingest_with_its_remedy_and_neighbours_go_on(
    crowded: AirflowEnv, airflow_env: AirflowEnv, small_disk: Path
) -> None:
    crowded.deliver(DAYS[0], machine_rows(DAYS[0], 400_000))
    neighbour = airflow_env.start("ingest")
    refused_for_want_of_room(crowded, "ingest")
    assert not [key for key in crowded.objects() if key.endswith(".parquet")]
    assert neighbour.wait(60) == OK
    airflow_env.expect("validate")
    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    assert crowded.retry("ingest", 2) == OK, crowded.said()
    crowded.expect("validate")


@pytest.mark.parametrize("task", ["validate", "train", "export"])
def test_f15_a_disk_that_is_full_at_a_later_step_publishes_nothing_and_is_gone_on_from(
    crowded: AirflowEnv, small_disk: Path, task: str
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
