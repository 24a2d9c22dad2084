"""Where a workload's server and its rollout meet: two files, one writer each."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from pydantic import ValidationError

from millrace.contracts.errors import BadInputError, TransientError
from millrace.contracts.model import ModelVersion
from millrace.contracts.serving import STATUS_FILE, TARGET_FILE, ServingStatus, ServingTarget
from millrace.contracts.workload import ServingPolicy
from millrace.storage import files

Word = TypeVar("Word", ServingTarget, ServingStatus)
Progress = Callable[[str], None]

LOG_FILE = "log.txt"
_LOOK_SECONDS = 0.1
_PROGRESS_SECONDS = 5.0


class ServingTimeoutError(TransientError):
    """What was awaited of the server did not come in time."""


@dataclass(frozen=True)
class ServingRoom:
    """The folder ``<root>/serving/<workload>``: the rollout writes the target, the server the status and its log."""

    root_uri: str
    workload: str

    @property
    def uri(self) -> str:
        """The folder."""
        return files.join(self.root_uri, "serving", self.workload)

    @property
    def target_uri(self) -> str:
        """What the server should serve (ServingTarget)."""
        return files.join(self.uri, TARGET_FILE)

    @property
    def status_uri(self) -> str:
        """What the server says (ServingStatus)."""
        return files.join(self.uri, STATUS_FILE)

    @property
    def log_uri(self) -> str:
        """Where the launcher sends the server's output."""
        return files.join(self.uri, LOG_FILE)

    def read_target(self) -> ServingTarget | None:
        """The last order; None before the first. Raises BadInputError for a file that is none."""
        return _read(self.target_uri, ServingTarget)

    def read_status(self) -> ServingStatus | None:
        """The server's last word; None before its first. Raises BadInputError for a file that is none."""
        return _read(self.status_uri, ServingStatus)

    def write_target(
        self, policy: ServingPolicy, stable: ModelVersion, canary: ModelVersion | None = None, canary_percent: int = 0
    ) -> ServingTarget:
        """Order versions, one generation above every earlier order and above what the server last followed."""
        target, status = self.read_target(), self.read_status()
        last = max(target.generation if target else 0, status.generation if status else 0)
        order = ServingTarget(
            generation=last + 1,
            workload=self.workload,
            policy=policy,
            stable=stable,
            canary=canary,
            canary_percent=canary_percent if canary else 0,
        )
        files.write_bytes(self.target_uri, order.model_dump_json(indent=1).encode())
        return order

    def wait_for(
        self,
        wanted: Callable[[ServingStatus], bool],
        awaited: str,
        timeout_seconds: float,
        progress: Progress | None = None,
    ) -> ServingStatus:
        """The first status that is ``wanted``; ``progress`` hears every five seconds what is still awaited.

        Raises ServingTimeoutError after ``timeout_seconds``, naming what was awaited, what the server said last
        and the log to read.
        """
        deadline = time.monotonic() + timeout_seconds
        spoken = time.monotonic()
        while True:
            status = self.read_status()
            if status is not None and wanted(status):
                return status
            now = time.monotonic()
            if now >= deadline:
                raise ServingTimeoutError(
                    f"waited {timeout_seconds:g} s for {awaited}; {_last_word(status)}",
                    where=self.status_uri,
                    rule=f"the server of {self.workload} follows {TARGET_FILE} within that time",
                    remedy=f"read {self.log_uri}; is the server running?",
                )
            if progress is not None and now - spoken >= _PROGRESS_SECONDS:
                progress(f"waiting for {awaited}; {_last_word(status)}")
                spoken = now
            time.sleep(_LOOK_SECONDS)


def _last_word(status: ServingStatus | None) -> str:
    if status is None:
        return "no server has written a status yet"
    age_seconds = (datetime.now(UTC) - status.updated_at).total_seconds()
    reason = f" ({status.reason})" if status.reason else ""
    return f"process {status.pid} said {age_seconds:.1f} s ago: generation {status.generation}, {status.state}{reason}"


def _read(uri: str, kind: type[Word]) -> Word | None:
    try:
        return kind.model_validate_json(files.read_bytes(uri, limit=1 << 20))
    except FileNotFoundError:
        return None
    except ValidationError as error:
        raise BadInputError(
            f"unreadable: {error.error_count()} errors, the first: {error.errors()[0]['msg']}",
            where=uri,
            rule=kind.__name__,
            remedy="remove the file; the next rollout, or the server, writes it again",
        ) from error
