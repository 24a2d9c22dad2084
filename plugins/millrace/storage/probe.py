"""Probe of a store by concurrent writes: some stores let several exclusive writers succeed or ignore the condition."""

import contextlib
import secrets
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Literal
from urllib.parse import urlsplit

from millrace.contracts.errors import StepError
from millrace.contracts.store import StoreTraits
from millrace.storage import files

_FOLDER = ".probe"
_WRITERS = 8
_LISTED = 6

Means = Literal["rename", "conditional_put", "none"]
_MEANS: dict[str, Means] = {"file": "rename", "hdfs": "rename", "s3": "conditional_put"}


def probe(store_uri: str, rounds: int = 5) -> StoreTraits:
    """Let eight writers create the same file, ``rounds`` times, and check listings; all files are deleted afterwards.

    A failed race is proof, five passed ones are not: a store that fails one race in a thousand passes. Raises the
    store's errors if it is not writable at all.
    """
    folder = files.join(store_uri, _FOLDER, secrets.token_hex(8))
    means = _MEANS.get(urlsplit(store_uri).scheme, "none")
    remarks: list[str] = []
    try:
        lists = _lists_at_once(folder, remarks)
        keeps = means != "none" and _keeps(folder, remarks)
        wins = means != "none" and all([_one_wins(folder, number, remarks) for number in range(rounds)])
    finally:
        with contextlib.suppress(OSError):
            files.delete_folder(folder)
    return StoreTraits(
        uri=store_uri,
        probed_at=datetime.now(UTC),
        means=means,
        keeps_what_is_there=keeps,
        one_wins=wins,
        lists_at_once=lists,
        remarks=tuple(remarks),
    )


def _lists_at_once(folder: str, remarks: list[str]) -> bool:
    names = [f"listed-{number}" for number in range(_LISTED)]
    for number, name in enumerate(names, start=1):
        files.write_bytes(files.join(folder, name), b"x")
        if files.names(folder) != names[:number]:
            remarks.append("a file that was just written was not listed")
            return False
    for name in names:
        files.delete(files.join(folder, name))
    if files.names(folder):
        remarks.append("a file that was just deleted was listed")
        return False
    return True


def _keeps(folder: str, remarks: list[str]) -> bool:
    uri = files.join(folder, "kept")
    files.write_bytes(uri, b"first")
    created = files.write_new(uri, b"second")
    if created or files.read_bytes(uri) != b"first":
        remarks.append("a file that was there was replaced by one that should have been put where none is")
        return False
    return True


def _one_wins(folder: str, number: int, remarks: list[str]) -> bool:
    uri = files.join(folder, f"race-{number}")
    together = threading.Barrier(_WRITERS)

    def put(writer: int) -> bool | None:
        together.wait()
        try:
            return files.write_new(uri, f"{writer}".encode())
        except StepError:
            return None  # unknown: the store did not answer

    with ThreadPoolExecutor(_WRITERS) as pool:
        results = list(pool.map(put, range(_WRITERS)))
    winners = [writer for writer, won in enumerate(results) if won]
    if len(winners) != 1:
        remarks.append(f"race {number}: {len(winners)} of {_WRITERS} were told that they had won")
        return False
    if files.read_bytes(uri) != f"{winners[0]}".encode():
        remarks.append(f"race {number}: another's file is there than that of the one who was told it had won")
        return False
    return True
