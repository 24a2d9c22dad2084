"""Points at which a process of a run is killed: wrapped around product code from outside, which knows nothing of it."""

import contextlib
import importlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

POINT = "FAULT_POINT"
REACHED = "FAULT_REACHED"

When = Literal["before", "after", "drained", "before publish", "after publish", "objects"]


@dataclass(frozen=True)
class Point:
    """Where the process that does ``task`` is killed with SIGKILL.

    ``target`` is ``module:name`` as the product looks it up. ``side`` says whose process it is: the step's own or the
    Airflow task's. ``match`` is part of an argument (a URI, mostly); of the calls that match, the ``nth`` kills.
    ``store`` is the only scheme that has the point; ``main`` points are always tried.
    """

    name: str
    task: str
    side: Literal["step", "task"]
    target: str
    when: When
    match: str = ""
    nth: int = 1
    store: str = ""
    main: bool = False

    @property
    def module(self) -> str:
        return self.target.partition(":")[0]


def arm(point: Point, reached: Path) -> None:
    """Wrap the point's target in this process. A target that is not there is an AttributeError."""
    owner: Any = importlib.import_module(point.module)
    *folders, name = point.target.partition(":")[2].split(".")
    for folder in folders:
        owner = getattr(owner, folder)
    setattr(owner, name, _wrapped(getattr(owner, name), point, reached))


def die(reached: Path) -> None:
    """Leave word that the point was reached, then end as nothing can be caught."""
    with reached.open("w") as stream:
        stream.write("reached")
        stream.flush()
        os.fsync(stream.fileno())
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(60)


def _wrapped(real: Callable[..., Any], point: Point, reached: Path) -> Callable[..., Any]:
    calls = 0

    def wrapper(*given: Any, **named: Any) -> Any:
        nonlocal calls
        calls += any(point.match in str(argument) for argument in given) if point.match else 1
        if calls != point.nth or (point.match and not any(point.match in str(argument) for argument in given)):
            return real(*given, **named)
        return _last_call(real, point.when, reached, given, named)

    return wrapper


def _last_call(
    real: Callable[..., Any], when: When, reached: Path, given: tuple[Any, ...], named: dict[str, Any]
) -> Any:
    if when == "before":
        die(reached)
    if when == "objects":
        with _commit_that_fails(given[0]):
            real(*given, **named)
        die(reached)
    answer = real(*given, **named)
    if when == "after":
        die(reached)
    if when == "drained":
        return _drained(answer, reached)
    return _dying_at_publish(answer, when, reached)


def _drained(items: Iterator[Any], reached: Path) -> Iterator[Any]:
    yield from items
    die(reached)


def _dying_at_publish(file: Any, when: When, reached: Path) -> Any:
    """A file in the making (millrace.storage.writing) whose writer dies around its publication."""
    publish = file.publish

    def dying(**named: Any) -> None:
        if when == "before publish":
            die(reached)
        publish(**named)
        die(reached)

    file.publish = dying
    return file


@contextlib.contextmanager
def _commit_that_fails(table: Any) -> Iterator[None]:
    """delta-rs writes objects and the log's entry in one call: an entry that is none stands in its way meanwhile."""
    from millrace.storage import files

    entry = f"{table.table_uri.rstrip('/')}/_delta_log/{table.version() + 1:020d}.json"
    entry = entry if "://" in entry else Path(entry).as_uri()
    files.write_bytes(entry, b"{")
    with contextlib.suppress(Exception):
        yield
    files.delete(entry)
