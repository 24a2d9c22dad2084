"""Model versions: what is in the folder and what it claims."""

from typing import Literal

from pydantic import Field

from millrace.contracts.base import Contract, Name, Sha256, Uri
from millrace.contracts.data import DatasetVersion

MANIFEST_FILE = "manifest.json"


class FileDigest(Contract):
    """A file's content, for checking before use."""

    sha256: Sha256
    size_bytes: int = Field(ge=0)


class ModelVersion(Contract):
    """A pointer to a model; nothing is loaded unless the manifest's digest is this one."""

    workload: Name
    version: Name
    uri: Uri
    manifest_sha256: Sha256


class BaseModelRef(Contract):
    """Pre-trained weights in the model store, brought in by ``python -m millrace base-model add``."""

    name: Name
    uri: Uri
    manifest_sha256: Sha256


class FolderManifest(Contract):
    """Every file of a folder but the manifest itself."""

    kind: Literal["base_model", "checkpoint", "trained"]
    files: dict[str, FileDigest]


class ModelManifest(Contract):
    """What a served model version is: its files, its labels, its inputs, and how it was made."""

    schema_version: Literal[1] = 1
    workload: Name
    trainer: Name
    files: dict[str, FileDigest]
    target_kind: Literal["single_label", "multi_label"]
    labels: tuple[str, ...]
    thresholds: tuple[float, ...] = Field(description="per label; a label is given from its threshold upwards")
    features: tuple[str, ...] = Field(description="the request's inputs, in order")
    max_length: int | None = Field(default=None, description="tokens; None for models without text")
    export_tolerance: float = Field(gt=0, description="largest |Keras - ONNX| probability that was allowed")
    export_error: float = Field(ge=0, description="largest |Keras - ONNX| probability that was seen")
    dataset: DatasetVersion
