"""Reading of a day's file only after its writer has finished: wait, read, compare, and read again or refuse.

A file is read after ``quiet_seconds`` without a change, and ten times as long if its text does not end with a line end,
since it may be truncated. There is no wait for a file with a marker, nor for an object of S3, which appears complete.
The file's identity in the store (size, ETag, time of modification) must be the same before the first byte is read and
after the last one; otherwise the result is discarded, rows or error.
"""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime

from millrace.contracts.data import Source, StagedPartition
from millrace.contracts.errors import BadInputError, StepError, TransientError
from millrace.step.main import Stop
from millrace.storage import files
from millrace.storage.arrivals import ArrivalManifest, compression, delivered, marker_uri, not_a_file, read_manifest
from millrace.storage.identity import Identity, identity

log = logging.getLogger(__name__)

CUT_SHORT_FACTOR = 10
_PATIENCE_FACTOR = 60
_LEAST_PATIENCE_SECONDS = 10.0
_LEAST_PAUSE_SECONDS = 0.2
_SLICE_SECONDS = 1.0
_LOG_EVERY_SECONDS = 10.0
_TAIL_BYTES = 4  # the longest line end in any encoding

Read = Callable[[str], StagedPartition]


def settled(source: Source, day: date, stop: Stop, read: Read) -> StagedPartition | None:
    """Return the day's partition as ``read`` returns it for an unchanged file; None if the file has not arrived.

    Raises TransientError if the file is still being written at the deadline, BadInputError if its manifest disagrees,
    InterruptedStepError, and the errors that ``read`` raises for an unchanged file. The deadline is 60 times
    ``quiet_seconds``, and at least 10 s, after the call.
    """
    wait = _Wait(source, day, stop)
    while True:
        uri = delivered(source, day)
        if uri is None:
            return None
        before = wait.until_quiet(uri)
        manifest = read_manifest(source, day)
        if before is None or wait.disagrees(uri, before, manifest, bytes=before.size_bytes):
            continue
        staged, failure = _attempt(read, uri)
        with _left_nothing(staged) as kept:
            if _now(uri) != before:
                wait.pause(uri, "it was written to while it was read")
                continue
            if staged is None:
                raise failure or AssertionError("neither rows nor a reason")
            if wait.disagrees(uri, before, manifest, **_figures(manifest, staged, uri)):
                continue
            kept.append(staged)
        return staged.model_copy(update={"source_identity": before.text})


def refuse_other_length(uri: str, read_bytes: int, size_bytes: int) -> None:
    """Raise TransientError if the store sent another number of bytes than the file's size."""
    if read_bytes != size_bytes:
        raise TransientError(
            f"{read_bytes:,} bytes were read of a file of {size_bytes:,}",
            where=uri,
            rule="a file is read whole",
            remedy="the task is retried; if that fails, look at the store",
        )


def _attempt(read: Read, uri: str) -> tuple[StagedPartition | None, StepError | None]:
    """Return the partition or the error of ``read``; the caller discards either if the file changed meanwhile."""
    try:
        return read(uri), None
    except (BadInputError, TransientError) as error:
        return None, error


@contextmanager
def _left_nothing(staged: StagedPartition | None) -> Iterator[list[StagedPartition]]:
    """Context manager that deletes the staged files at exit unless the block has put the partition into the list."""
    kept: list[StagedPartition] = []
    try:
        yield kept
    finally:
        if staged is not None and not kept:
            for uri in filter(None, (staged.file_uri, staged.bad_rows_uri)):
                files.delete(uri)


def _now(uri: str) -> Identity | None:
    try:
        return identity(uri)
    except FileNotFoundError:
        return None


def _figures(manifest: ArrivalManifest | None, staged: StagedPartition, uri: str) -> dict[str, int | str]:
    found: dict[str, int | str] = {"rows": staged.rows + staged.duplicates + staged.bad_rows}
    if manifest is not None and manifest.sha256 is not None:
        found["sha256"] = files.sha256(uri)
    return found


@dataclass
class _Wait:
    """The waits for one day's file, with one deadline for all of them."""

    source: Source
    day: date
    stop: Stop

    def __post_init__(self) -> None:
        self._patience_seconds = max(_PATIENCE_FACTOR * self.source.quiet_seconds, _LEAST_PATIENCE_SECONDS)
        self._deadline = time.monotonic() + self._patience_seconds
        self._logged_at = -_LOG_EVERY_SECONDS

    def until_quiet(self, uri: str) -> Identity | None:
        """Return the file's identity once it has not changed for long enough; None if it disappeared meanwhile.

        Modification times come from other machines' clocks: a file that does not change during the whole wait counts as
        quiet, whatever its time of modification. Raises as ``settled`` does.
        """
        found = _now(uri)
        if found is None and files.exists(uri):
            raise not_a_file(uri)
        while found is not None and (left := self._left_seconds(uri, found)) > 0:
            self._sleep(uri, left, f"it was written {_age_seconds(found):,.1f} s ago")
            again = _now(uri)
            if again == found:
                break
            found = again
        if found is None:
            self.pause(uri, "it went away")
        elif not found.whole and self._may_be_cut_short(uri, found):
            log.info("partition %s: the text of %s does not end with a line end; was it cut short?", self.day, uri)
        return found

    def _left_seconds(self, uri: str, found: Identity) -> float:
        quiet = self.source.quiet_seconds
        if found.whole or self.source.marker is not None or found.written_at is None or quiet == 0:
            return 0
        age = max(0.0, _age_seconds(found))
        if age < CUT_SHORT_FACTOR * quiet and self._may_be_cut_short(uri, found):
            quiet *= CUT_SHORT_FACTOR
        return max(0.0, quiet - age)

    def _may_be_cut_short(self, uri: str, found: Identity) -> bool:
        if not found.size_bytes:
            return True
        if self.source.format == "parquet" or compression(uri):
            return False
        system, path = files.locate(uri)
        with system.open_input_file(path) as stream:
            stream.seek(max(0, found.size_bytes - _TAIL_BYTES))
            tail = stream.read(_TAIL_BYTES)
        # in UTF-16 and UTF-32 a line end contains zero bytes
        return not tail.rstrip(b"\0").endswith((b"\n", b"\r"))

    def disagrees(self, uri: str, found: Identity, manifest: ArrivalManifest | None, **figures: int | str) -> bool:
        """Return whether the manifest disagrees while file or manifest is too new to judge; then it has waited.

        Raises BadInputError if they disagree and neither is new.
        """
        what = manifest.disagreement(**figures) if manifest is not None else None
        if what is None:
            return False
        marker = marker_uri(self.source, self.day) or ""
        ages = [_age_seconds(each) for each in (found, _now(marker)) if each is not None]
        if min(ages) < CUT_SHORT_FACTOR * self.source.quiet_seconds:
            self.pause(uri, f"{what}; one of the two was written just now")
            return True
        raise BadInputError(
            what,
            where=f"{uri}, {marker}",
            rule="the file is what its manifest says",
            remedy="deliver both again, the manifest last",
        )

    def pause(self, uri: str, why: str) -> None:
        """Wait for ``quiet_seconds``, at least 0.2 s, before the next check. Raises as ``settled`` does."""
        self._sleep(uri, max(self.source.quiet_seconds, _LEAST_PAUSE_SECONDS), why)

    def _sleep(self, uri: str, seconds: float, why: str) -> None:
        now = time.monotonic()
        if now + seconds > self._deadline:
            raise TransientError(
                f"the file is still being written: {why}",
                where=uri,
                rule=f"a file is left alone for {self.source.quiet_seconds:g} s (quiet_seconds) before it is read, and "
                f"while it is; it is waited for {self._patience_seconds:,.0f} s",
                remedy="the task is retried; write the file under another name and rename it, or declare a marker",
            )
        if now - self._logged_at >= _LOG_EVERY_SECONDS:
            self._logged_at = now
            log.info("partition %s: %s; waits %.1f s", self.day, why, seconds)
        end = now + seconds
        while (left := end - time.monotonic()) > 0:
            self.stop.check(f"partition {self.day}, waiting for its file")
            time.sleep(min(left, _SLICE_SECONDS))


def _age_seconds(found: Identity) -> float:
    if found.written_at is None:
        return float("inf")
    return (datetime.now(UTC) - found.written_at).total_seconds()
