"""Copying of base models (pre-trained weights) to the store."""

from pathlib import Path

from millrace.contracts.errors import BadInputError
from millrace.contracts.model import FolderManifest
from millrace.storage import files, folders

_REQUIRED = ("config.json", "model.safetensors", "tokenizer.json")
_OPTIONAL = ("vocab.txt", "tokenizer_config.json", "special_tokens_map.json")


def add(folder: Path, uri: str) -> str:
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
    return folders.seal(uri, FolderManifest(kind="base_model", files=folders.digests(uri)))
