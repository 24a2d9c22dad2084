"""A file that somebody still writes to: waited for, read again, or refused; and what a marker says of it."""

import gzip
import hashlib
import json
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from millrace.contracts.data import Dataset, Marker, Source, StagedPartition, Window
from millrace.contracts.errors import BadInputError, InterruptedStepError, TransientError
from millrace.contracts.report import IngestResult
from millrace.contracts.run_spec import IngestTask
from millrace.step.main import Skip, Stop
from millrace.storage import files
from millrace.storage.identity import identity
from millrace_data import settled as module
from millrace_data.ingest import ingest, stage_partition

QUIET_SECONDS = 0.4
OLD_SECONDS = 3600


@pytest.fixture
def dataset(number_dataset: Callable[..., Dataset]) -> Callable[..., Dataset]:
    """The small dataset of numbers as CSV, whose files must be quiet; keyword arguments are the source's."""

    def make(**changes: Any) -> Dataset:
        plain = number_dataset("csv")
        source = plain.source.model_dump() | {"quiet_seconds": QUIET_SECONDS} | changes
        return plain.model_copy(update={"source": Source.model_validate(source)})

    return make


@pytest.fixture
def marked(dataset: Callable[..., Dataset], tmp_path: Path) -> Callable[..., tuple[Dataset, Path]]:
    """A dataset with a marker, and where that is to be."""

    def make(kind: Any) -> tuple[Dataset, Path]:
        folder = tmp_path / "markers"
        folder.mkdir(exist_ok=True)
        marker = Marker(uri_template=f"{folder.as_uri()}/{{partition}}.done", kind=kind)
        return dataset(marker=marker.model_dump()), folder / "2026-01-01.done"

    return make


def lines(first: int, last: int) -> str:
    return "".join(f"{number},{number % 10},{number},true,{'xy'[number % 2]}\n" for number in range(first, last))


HEADER = "id,width,count,known,species\n"


def age(path: Path, seconds: float = OLD_SECONDS) -> None:
    """Say that the file was written so long ago."""
    then = time.time() - seconds
    os.utime(path, (then, then))


def test_a_file_that_grows_is_waited_for_and_arrives_whole(
    dataset: Callable[..., Dataset], arrive: Any, stage: Any, rows_of: Any
) -> None:
    path = arrive(dataset(), HEADER.encode())

    def write() -> None:
        with path.open("a") as file:
            for start in range(0, 3000, 300):
                file.write(lines(start, start + 300)[:-3])  # the last row is cut wherever a reader might look
                file.flush()
                time.sleep(QUIET_SECONDS / 4)
                file.write(lines(start, start + 300)[-3:])
                file.flush()

    writer = threading.Thread(target=write)
    writer.start()
    staged = stage(dataset())
    writer.join()
    assert sorted(row["id"] for row in rows_of(staged)) == list(range(3000))
    assert staged.source_bytes == path.stat().st_size
    assert staged.source_identity == f"{path.stat().st_size} bytes, modified {path.stat().st_mtime_ns} ns"


def test_a_text_without_its_last_line_end_is_waited_for_longer(
    dataset: Callable[..., Dataset], arrive: Any, stage: Any
) -> None:
    path = arrive(dataset(), (HEADER + lines(0, 9) + "9,9,9,true,").encode())

    def write() -> None:
        time.sleep(3 * QUIET_SECONDS)
        with path.open("a") as file:
            file.write("y\n" + lines(10, 20))

    writer = threading.Thread(target=write)
    writer.start()
    staged = stage(dataset())
    writer.join()
    assert staged.rows == 20


def read_with(dataset: Dataset, day: Any, read: Callable[[str], StagedPartition]) -> StagedPartition | None:
    return module.settled(dataset.source, day, Stop(), read)


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("change", ["grows", "is replaced by one as large and as old"])
def test_what_was_read_while_the_file_was_changed_does_not_count(
    dataset: Callable[..., Dataset], arrive: Any, out_uri: str, day: Any, change: str, fails: bool
) -> None:
    chosen = dataset(quiet_seconds=0)
    path = arrive(chosen, (HEADER + lines(0, 10)).encode())
    age(path)
    found: list[int] = []

    def read(uri: str) -> StagedPartition:
        staged = stage_partition(chosen, day, out_uri, Stop())
        assert staged is not None
        found.append(staged.rows)
        if len(found) == 1:
            before = path.stat()
            other = path.with_name("other")
            if change == "grows":
                other.write_text(HEADER + lines(0, 20))
            else:
                other.write_bytes(path.read_bytes())
                os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
            other.rename(path)
            if fails:
                raise BadInputError("a torn row", where=uri, rule="r", remedy="r")
        return staged

    staged = read_with(chosen, day, read)
    assert staged is not None
    assert len(found) == 2, "read again"
    assert staged.rows == found[-1] == (20 if change == "grows" else 10)


def test_what_is_wrong_with_a_file_that_nobody_touches_is_said_at_once(
    dataset: Callable[..., Dataset], arrive: Any, stage: Any
) -> None:
    path = arrive(dataset(), (HEADER + "1,1,1,true").encode())
    age(path)
    with pytest.raises(BadInputError):
        stage(dataset())


def test_a_file_that_does_not_stop_growing_is_refused_for_now(
    dataset: Callable[..., Dataset], arrive: Any, stage: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_LEAST_PATIENCE_SECONDS", 1.0)
    monkeypatch.setattr(module, "_PATIENCE_FACTOR", 1)
    path = arrive(dataset(), HEADER.encode())
    done = threading.Event()

    def write() -> None:
        while not done.wait(QUIET_SECONDS / 8):
            with path.open("a") as file:
                file.write(lines(0, 1))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        with pytest.raises(TransientError, match="still being written") as refused:
            stage(dataset())
    finally:
        done.set()
        writer.join()
    assert "quiet_seconds" in str(refused.value)
    assert refused.value.where.endswith("2026-01-01.csv")


def test_a_clock_ahead_of_ours_does_not_keep_a_file_waiting(
    dataset: Callable[..., Dataset], arrive: Any, stage: Any
) -> None:
    path = arrive(dataset(), (HEADER + lines(0, 10)).encode())
    age(path, -OLD_SECONDS)
    assert stage(dataset()).rows == 10


def test_asked_to_stop_it_waits_no_longer(dataset: Callable[..., Dataset], arrive: Any, stage: Any) -> None:
    arrive(dataset(quiet_seconds=3600), (HEADER + lines(0, 10)).encode())
    stop = Stop()
    threading.Timer(0.3, stop.request).start()
    with pytest.raises(InterruptedStepError):
        stage(dataset(quiet_seconds=3600), stop=stop)


def test_a_folder_in_the_place_of_the_file_is_no_file(dataset: Callable[..., Dataset], arrive: Any, stage: Any) -> None:
    path = arrive(dataset(), b"x")
    path.unlink()
    path.mkdir()
    with pytest.raises(BadInputError, match="not a file"):
        stage(dataset())


def test_without_its_marker_a_day_has_not_arrived_and_the_reason_says_so(
    marked: Any, arrive: Any, make_spec: Any, day: Any, stage: Any
) -> None:
    chosen, marker = marked("presence")
    arrive(chosen, (HEADER + lines(0, 10)).encode())
    with pytest.raises(Skip, match=r"no new data: the file is there, its marker is not: .*2026-01-01\.done") as skip:
        ingest(make_spec(chosen, IngestTask(window=Window(first=day, last=day))), Stop())
    assert isinstance(skip.value.result, IngestResult)
    assert list(skip.value.result.absent_reasons) == ["2026-01-01"]
    marker.touch()
    assert stage(chosen).rows == 10


def test_the_reason_tells_a_missing_folder_from_a_missing_file(
    dataset: Callable[..., Dataset], arrive: Any, make_spec: Any, day: Any, tmp_path: Path
) -> None:
    spec = make_spec(dataset(), IngestTask(window=Window(first=day, last=day)))
    folder = (tmp_path / "arrivals").as_uri()
    with pytest.raises(Skip, match=f"no new data: the source's folder does not exist: {folder}$"):
        ingest(spec, Stop())
    (tmp_path / "arrivals").mkdir()
    with pytest.raises(Skip, match=f"no new data: no file of arrivals {folder}/2026-01-01.csv$"):
        ingest(spec, Stop())


def manifest(path: Path, data: bytes, **changes: Any) -> None:
    figures = {"bytes": len(data), "rows": 10, "sha256": hashlib.sha256(data).hexdigest(), "writer": {"any": "thing"}}
    path.write_text(json.dumps(figures | changes))
    age(path)


def test_a_manifest_that_agrees_lets_the_file_in(marked: Any, arrive: Any, stage: Any) -> None:
    chosen, marker = marked("manifest")
    data = (HEADER + lines(0, 9) + lines(8, 9)).encode()
    arrive(chosen, data)
    manifest(marker, data)
    staged = stage(chosen.model_copy(update={"unique_by": ("id",)}))
    assert (staged.rows, staged.duplicates) == (9, 1), "the manifest counts rows before duplicates are dropped"


@pytest.mark.parametrize(
    ("changes", "both"),
    [
        ({"bytes": 1234567}, r"bytes: the manifest says 1,234,567, the file has \d+"),
        ({"rows": 11}, "rows: the manifest says 11, the file has 10"),
        ({"sha256": "a" * 64}, f"sha256: the manifest says {'a' * 64}, the file has [0-9a-f]{{64}}"),
    ],
)
def test_a_manifest_that_disagrees_is_refused_with_both_figures(
    marked: Any, arrive: Any, stage: Any, out_uri: str, changes: dict[str, Any], both: str
) -> None:
    chosen, marker = marked("manifest")
    data = (HEADER + lines(0, 10)).encode()
    age(arrive(chosen, data))
    manifest(marker, data, **changes)
    with pytest.raises(BadInputError, match=both):
        stage(chosen)
    assert files.names(out_uri) == [], "what was read of it is not left"


def test_a_file_whose_new_manifest_is_still_to_come_is_waited_for(marked: Any, arrive: Any, stage: Any) -> None:
    chosen, marker = marked("manifest")
    data = (HEADER + lines(0, 10)).encode()
    arrive(chosen, data)
    manifest(marker, data[:-9], rows=9)
    threading.Timer(2 * QUIET_SECONDS, manifest, (marker, data)).start()
    assert stage(chosen).rows == 10


@pytest.mark.parametrize(
    "content",
    [
        b"", b"[]", b"{", b'"x"', b"null", b'{"rows": "ten"}', b'{"rows": -1}', b'{"sha256": "x"}', b"\xff\xfe{}",
        b"{}", b'{"files": 3}', b'{"rows": 1e999}', b"[" * 60_000, b'{"rows": ' + b"9" * 60_000 + b"}",
        b'{"x": "' + b"y" * 70_000 + b'", "rows": 10}',
    ],
)  # fmt: skip
def test_a_manifest_that_is_none_is_refused_as_one(marked: Any, arrive: Any, stage: Any, content: bytes) -> None:
    chosen, marker = marked("manifest")
    age(arrive(chosen, (HEADER + lines(0, 10)).encode()))
    marker.write_bytes(content)
    with pytest.raises(BadInputError) as refused:
        stage(chosen)
    assert str(marker) in refused.value.where
    assert len(str(refused.value)) < 2000


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_in_each_store_a_file_that_is_replaced_while_it_is_read_is_read_again(
    dataset: Callable[..., Dataset], root: str, out_uri: str, day: Any, ending: str
) -> None:
    chosen = dataset(uri_template=f"{root}/my%20arrivals/{{partition}}.csv{ending}", quiet_seconds=0)
    uri = chosen.source.uri(day)
    first, second = ((HEADER + lines(0, last)).encode() for last in (10, 20))
    pack = gzip.compress if ending else bytes
    files.write_bytes(uri, pack(first))
    found: list[int] = []

    def read(at: str) -> StagedPartition:
        staged = stage_partition(chosen, day, out_uri, Stop())
        assert staged is not None
        found.append(staged.rows)
        if len(found) == 1:
            files.write_bytes(at, pack(second))
        return staged

    staged = read_with(chosen, day, read)
    assert staged is not None
    assert found == [10, 20]
    assert staged.source_identity == identity(uri).text
