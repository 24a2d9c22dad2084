"""Sealed folders, such as base models: a manifest of digests is written last, and verified before a file is used."""

import hashlib
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from millrace.contracts.base import Contract
from millrace.contracts.errors import BadInputError, RefusedError
from millrace.contracts.model import MANIFEST_FILE, FileDigest, FolderManifest
from millrace.storage import files

M = TypeVar("M", bound=Contract)
_REQUIRED = ("config.json", "model.safetensors", "tokenizer.json")
_OPTIONAL = ("vocab.txt", "tokenizer_config.json", "special_tokens_map.json")


def digests(folder_uri: str) -> dict[str, FileDigest]:
    """Return the digest of each file directly in a folder, except the manifest and hidden files."""
    return {
        name: FileDigest(sha256=files.sha256(uri), size_bytes=files.size_bytes(uri))
        for name in files.names(folder_uri)
        if name != MANIFEST_FILE and not name.startswith(".")
        for uri in [files.join(folder_uri, name)]
    }


def seal(folder_uri: str, manifest: Contract) -> str:
    """Write the manifest, which completes the folder; return the manifest's digest."""
    data = manifest.model_dump_json(indent=1).encode()
    files.write_bytes(files.join(folder_uri, MANIFEST_FILE), data)
    return hashlib.sha256(data).hexdigest()


def open_sealed(folder_uri: str, manifest_sha256: str, kind: type[M]) -> M:
    """Verify all of the manifest's files and return the manifest.

    Raises RefusedError if the manifest's digest is not ``manifest_sha256``, which the ledger recorded, or a file's
    digest is not the manifest's.
    """
    where = files.join(folder_uri, MANIFEST_FILE)
    remedy = "do not use this folder; train again or restore it from a copy"
    try:
        data = files.read_bytes(where)
    except FileNotFoundError as error:
        raise RefusedError("the manifest is missing", where=where, rule="a folder is sealed", remedy=remedy) from error
    if hashlib.sha256(data).hexdigest() != manifest_sha256:
        raise RefusedError(
            "the manifest is not the recorded one", where=where, rule=f"sha256 {manifest_sha256}", remedy=remedy
        )
    try:
        manifest = kind.model_validate_json(data)
    except ValidationError as error:
        raise RefusedError(f"unreadable: {error}", where=where, rule=kind.__name__, remedy=remedy) from error
    for name, expected in getattr(manifest, "files", {}).items():
        uri = files.join(folder_uri, name)
        if not files.exists(uri) or files.sha256(uri) != expected.sha256:
            raise RefusedError(
                "a file is missing or was changed", where=uri, rule=f"sha256 {expected.sha256}", remedy=remedy
            )
    return manifest


def fetch(folder_uri: str, names: list[str], into: Path) -> Path:
    """Return a local folder with the files: the folder itself for ``file://``, else ``into`` with copies."""
    if folder_uri.startswith("file://"):
        return files.local_path(folder_uri)
    into.mkdir(parents=True, exist_ok=True)
    for name in names:
        with (into / name).open("wb") as stream:
            for piece in files.chunks(files.join(folder_uri, name)):
                stream.write(piece)
    return into


def add_base_model(folder: Path, uri: str) -> str:
    """Copy a Hugging Face folder's weights, configuration and tokenizer, and seal them; return the manifest's digest.

    Only safetensors weights are copied, not formats that run code when loaded (pickle, HDF5). Adding the same folder
    again changes nothing. Raises BadInputError if a file is missing.
    """
    missing = [name for name in _REQUIRED if not (folder / name).is_file()]
    if missing:
        raise BadInputError(
            f"{', '.join(missing)} not found",
            where=str(folder),
            rule=f"a base model has {', '.join(_REQUIRED)}",
            remedy="export the model with safetensors weights and a fast tokenizer",
        )
    for name in (*_REQUIRED, *_OPTIONAL):
        if (folder / name).is_file():
            files.put_file(folder / name, files.join(uri, name))
    return seal(uri, FolderManifest(kind="base_model", files=digests(uri)))
