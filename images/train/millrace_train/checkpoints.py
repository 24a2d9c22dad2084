"""Two generations of verified checkpoints, so that a torn one costs at most the time between two checkpoints."""

import logging
import tempfile
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field, ValidationError

from millrace.contracts.base import Contract, Sha256
from millrace.contracts.errors import BadInputError, RefusedError
from millrace.contracts.model import FolderManifest
from millrace.storage import files, folders
from millrace_train.weights import Arrays, load_arrays, put_arrays

log = logging.getLogger("millrace.train")

POINTER_FILE = "checkpoint.json"
ARRAYS_FILE = "variables.safetensors"
POSITION_FILE = "state.json"
_KEEP = 2


class Position(Contract):
    """Progress of a run: ``step`` steps are done, ``batch`` of them in ``epoch``, which counts from 0."""

    fingerprint: str
    epoch: int
    batch: int
    step: int
    tokens: int = Field(description="tokens fed so far, including padding")
    seconds: float = Field(description="seconds spent on steps so far, in all attempts")


class Generation(Contract):
    """Folder of one checkpoint, and the expected digest of its manifest."""

    folder: str
    manifest_sha256: Sha256


class Pointer(Contract):
    """Content of the pointer file: the generations, newest first."""

    generations: tuple[Generation, ...]


@dataclass(frozen=True)
class Checkpoint:
    """Position and arrays from which a run resumes."""

    position: Position
    arrays: Arrays


class Checkpoints:
    """The checkpoints of one state folder; only one process may write at a time."""

    def __init__(self, state_uri: str) -> None:
        self._state_uri = state_uri
        self._kept: tuple[Generation, ...] = ()

    def newest(self, fingerprint: str) -> Checkpoint | None:
        """Return the newest complete checkpoint with this fingerprint; None if there is none.

        A torn checkpoint is skipped for the one before it, with a warning in the log. Checkpoints with another
        fingerprint (other parameters, data or library versions) are not used.
        """
        for generation in self._read_pointer():
            try:
                checkpoint = self._open(generation)
            except (RefusedError, ValidationError, OSError) as error:
                log.warning("checkpoint %s is torn and passed over: %s", generation.folder, error)
                continue
            if checkpoint.position.fingerprint != fingerprint:
                log.info("checkpoint %s belongs to other parameters or data: not used", generation.folder)
                continue
            self._kept = (*self._kept, generation)
            log.info("going on from checkpoint %s, step %d", generation.folder, checkpoint.position.step)
            return checkpoint
        return None

    def save(self, position: Position, arrays: Arrays) -> None:
        """Write a complete generation, then the pointer file, then remove all but the newest two.

        Raises the errors of `files.storage_full`; the earlier generations then stay.
        """
        name = f"checkpoint-{position.step:09d}"
        uri = files.join(self._state_uri, name)
        files.delete_folder(uri)
        put_arrays(files.join(uri, ARRAYS_FILE), arrays)
        files.write_bytes(files.join(uri, POSITION_FILE), position.model_dump_json().encode())
        sha256 = folders.seal(uri, FolderManifest(kind="checkpoint", files=folders.digests(uri)))
        older = tuple(generation for generation in self._kept if generation.folder != name)
        self._kept = (Generation(folder=name, manifest_sha256=sha256), *older)[:_KEEP]
        pointer = Pointer(generations=self._kept)
        files.write_bytes(files.join(self._state_uri, POINTER_FILE), pointer.model_dump_json().encode())
        kept = {generation.folder for generation in self._kept}
        for stale in files.names(self._state_uri):
            if stale.startswith("checkpoint-") and stale not in kept:
                files.delete_folder(files.join(self._state_uri, stale))

    def _read_pointer(self) -> tuple[Generation, ...]:
        uri = files.join(self._state_uri, POINTER_FILE)
        try:
            return Pointer.model_validate_json(files.read_bytes(uri)).generations
        except FileNotFoundError:
            return ()
        except (ValidationError, BadInputError) as error:
            log.warning("%s cannot be read, beginning at the start: %s", uri, error)
            return ()

    def _open(self, generation: Generation) -> Checkpoint:
        uri = files.join(self._state_uri, generation.folder)
        manifest = folders.open_sealed(uri, generation.manifest_sha256, FolderManifest)
        position = Position.model_validate_json(files.read_bytes(files.join(uri, POSITION_FILE)))
        with tempfile.TemporaryDirectory() as scratch:
            folder = folders.fetch(uri, list(manifest.files), Path(scratch))
            return Checkpoint(position, load_arrays(folder / ARRAYS_FILE))
