"""Serving folder of a workload: the rollout writes the serving target, the model server its status."""

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
from millrace.storage.signature import SigningKey, opened

Progress = Callable[[str], None]
Word = TypeVar("Word", ServingTarget, ServingStatus, RunSpec)

LOG_FILE = "log.txt"
_FILE_BYTES = 1 << 20
_LOOK_SECONDS = 0.1
_PROGRESS_SECONDS = 5.0


class ServingTimeoutError(TransientError):
    """The server did not reach the awaited status in time."""


@dataclass(frozen=True)
class ServerFiles:
    """Serving folder ``<root>/serving/<workload>``: the rollout writes the target, the server its status and log.

    Airflow's files are signed with ``key`` and refused without a valid signature; the status is not signed.
    """

    root_uri: str
    workload: str
    key: SigningKey

    @property
    def uri(self) -> str:
        """URI of the folder."""
        return files.join(self.root_uri, "serving", self.workload)

    @property
    def target_uri(self) -> str:
        """URI of the serving target: which versions to load (ServingTarget)."""
        return files.join(self.uri, TARGET_FILE)

    @property
    def status_uri(self) -> str:
        """URI of the server's status (ServingStatus)."""
        return files.join(self.uri, STATUS_FILE)

    @property
    def log_uri(self) -> str:
        """URI of the file with the server's output, written by the launcher."""
        return files.join(self.uri, LOG_FILE)

    @property
    def spec_uri(self) -> str:
        """URI of the spec with which the server was started (RunSpec)."""
        return files.join(self.uri, SPEC_FILE)

    def read_target(self) -> ServingTarget | None:
        """Return the serving target; None before the first. Raises BadInputError if the file is invalid, RefusedError
        if it is not signed.
        """
        return _parsed(self._signed(self.target_uri), self.target_uri, ServingTarget)

    def read_status(self) -> ServingStatus | None:
        """Return the server's last status; None before its first. Raises BadInputError if the file is invalid."""
        return _parsed(_bytes(self.status_uri), self.status_uri, ServingStatus)

    def read_spec(self) -> RunSpec | None:
        """Return the spec of this workload's server; None if none was ever started. Raises as ``read_target``."""
        return _parsed(self._signed(self.spec_uri), self.spec_uri, RunSpec)

    @property
    def address(self) -> str | None:
        """Address of the server by its spec; None if none was ever started. Raises as ``read_spec``."""
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
        """Write and return a serving target; its generation is above the last target's and the status's."""
        target, status = self.read_target(), self.read_status()
        last = max(target.generation if target else 0, status.generation if status else 0)
        written = ServingTarget(
            generation=last + 1,
            workload=self.workload,
            policy=policy,
            stable=stable,
            canary=canary,
            canary_percent=canary_percent if canary else 0,
        )
        files.write_bytes(self.target_uri, self.key.signed(self.target_uri, written))
        return written

    def wait_for(
        self,
        wanted: Callable[[ServingStatus], bool],
        awaited: str,
        timeout_seconds: float,
        progress: Progress | None = None,
    ) -> ServingStatus:
        """Wait for a status that is ``wanted`` and return it; ``progress`` gets a text every five seconds.

        Raises ServingTimeoutError after ``timeout_seconds``, with what was awaited, the server's last status and the
        log's URI.
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
    age = f"process {status.pid} wrote its status {age_seconds:.1f} s ago"
    return f"{age}: generation {status.generation}, {status.state}{reason}"


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
