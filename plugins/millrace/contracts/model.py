"""Model versions: pointers to their folders, and the manifests in the folders."""

from typing import Literal

from pydantic import Field

from millrace.contracts.base import Contract, Name, Sha256, Uri
from millrace.contracts.data import DatasetVersion

MANIFEST_FILE = "manifest.json"


class FileDigest(Contract):
    """Digest and size of a file, which are verified before the file is used."""

    sha256: Sha256
    size_bytes: int = Field(ge=0)


class ModelVersion(Contract):
    """A pointer to a model version; it is loaded only if its manifest's digest equals ``manifest_sha256``."""

    workload: Name
    version: Name
    uri: Uri
    manifest_sha256: Sha256


class BaseModelRef(Contract):
    """A pointer to a base model: pre-trained weights that ``python -m millrace base-model add`` copied to the store."""

    name: Name
    uri: Uri
    manifest_sha256: Sha256


class FolderManifest(Contract):
    """Digests of all files of a folder except the manifest itself."""

    kind: Literal["base_model", "checkpoint", "trained"]
    files: dict[str, FileDigest]


class ModelManifest(Contract):
    """Manifest of a model version for serving: its files, labels and inputs, and how it was made."""

    schema_version: Literal[1] = 1
    workload: Name
    trainer: Name
    files: dict[str, FileDigest]
    target_kind: Literal["single_label", "multi_label"]
    labels: tuple[str, ...]
    thresholds: tuple[float, ...] = Field(
        description="per label; a row has the label if its probability reaches the threshold"
    )
    features: tuple[str, ...] = Field(description="inputs of a request, in order")
    max_length: int | None = Field(default=None, description="tokens; None for models without text")
    export_tolerance: float = Field(gt=0, description="largest allowed |Keras - ONNX| of a probability")
    export_error: float = Field(ge=0, description="largest measured |Keras - ONNX| of a probability")
    dataset: DatasetVersion
