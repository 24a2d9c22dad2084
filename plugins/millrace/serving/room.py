"""Where a workload's server and its rollout meet: two files, one writer each."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from pydantic import ValidationError

from millrace.contracts.errors import BadInputError, TransientError
from millrace.contracts.model import ModelVersion
from millrace.contracts.run_spec import SPEC_FILE, RunSpec, ServeTask
from millrace.contracts.serving import STATUS_FILE, TARGET_FILE, ServingStatus, ServingTarget
from millrace.contracts.workload import ServingPolicy
from millrace.storage import files
from millrace.storage.signature import OrderKey, opened

Word = TypeVar("Word", ServingTarget, ServingStatus, RunSpec)
Progress = Callable[[str], None]

LOG_FILE = "log.txt"
_FILE_BYTES = 1 << 20
_LOOK_SECONDS = 0.1
_PROGRESS_SECONDS = 5.0


class ServingTimeoutError(TransientError):
    """What was awaited of the server did not come in time."""


@dataclass(frozen=True)
class ServingRoom:
    """The folder ``<root>/serving/<workload>``: the rollout writes the target, the server the status and its log.

    What Airflow writes there is signed with ``key``, and read back only where it was; the status is anybody's word.
    """

    root_uri: str
    workload: str
    key: OrderKey

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

    @property
    def spec_uri(self) -> str:
        """What the server was begun with (RunSpec)."""
        return files.join(self.uri, SPEC_FILE)

    def read_target(self) -> ServingTarget | None:
        """The last order; None before the first. Raises BadInputError for a file that is none, RefusedError for one
        that was not signed.
        """
        return _parsed(self._signed(self.target_uri), self.target_uri, ServingTarget)

    def read_status(self) -> ServingStatus | None:
        """The server's last word; None before its first. Raises BadInputError for a file that is none."""
        return _parsed(_bytes(self.status_uri), self.status_uri, ServingStatus)

    def read_spec(self) -> RunSpec | None:
        """What this workload's server is begun with; None where none ever was. Raises as ``read_target`` does."""
        return _parsed(self._signed(self.spec_uri), self.spec_uri, RunSpec)

    @property
    def address(self) -> str | None:
        """Where the server listens, as it was told to; None where none was ever begun. Raises as ``read_spec`` does."""
        spec = self.read_spec()
        if spec is None or not isinstance(spec.task, ServeTask):
            return None
        return f"{'https' if spec.task.tls else 'http'}://{spec.task.host}:{spec.task.port}"

    def _signed(self, uri: str) -> str | None:
        data = _bytes(uri)
        return None if data is None else opened(data, uri, self.key.public)

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
        files.write_bytes(self.target_uri, self.key.signed(self.target_uri, order))
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


def _bytes(uri: str) -> bytes | None:
    try:
        return files.read_bytes(uri, limit=_FILE_BYTES)
    except FileNotFoundError:
        return None


def _parsed(data: bytes | str | None, uri: str, kind: type[Word]) -> Word | None:
    if data is None:
        return None
    try:
        return kind.model_validate_json(data)
    except ValidationError as error:
        raise BadInputError(
            f"unreadable: {error.error_count()} errors, the first: {error.errors()[0]['msg']}",
            where=uri,
            rule=kind.__name__,
            remedy="remove the file; the next rollout, or the server, writes it again",
        ) from error
