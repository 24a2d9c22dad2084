"""The parsed training job of a spec, its base model, and the fingerprint for checkpoints."""

import hashlib
import json
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from millrace.contracts.data import Dataset, DatasetVersion
from millrace.contracts.errors import BadInputError, RefusedError
from millrace.contracts.model import BaseModelRef, FolderManifest
from millrace.contracts.run_spec import RunSpec
from millrace.contracts.trainers import BertOptions, TrainerOptions, numbers, parse_options
from millrace.scoring.tokens import TOKENIZER_FILE, TextTokenizer
from millrace.storage import folders
from millrace_train.trainers.registry import Trainer, find_trainer
from millrace_train.trainers.shape import ModelShape

CONFIG_FILE = "config.json"


@dataclass(frozen=True)
class BaseModel:
    """A verified base model on local disk."""

    folder: Path
    tokenizer: TextTokenizer


@dataclass(frozen=True)
class Job:
    """Trainer, parsed options, dataset, and the parameters derived from them."""

    trainer: Trainer
    options: TrainerOptions
    dataset: Dataset
    max_length: int | None

    @property
    def single_label(self) -> bool:
        """Whether each row has exactly one label."""
        return self.dataset.target.kind == "single_label"

    @property
    def bucket_lengths(self) -> tuple[int, ...]:
        """Token lengths to which batches may be padded; () for trainers without text."""
        return numbers(self.options.buckets) if isinstance(self.options, BertOptions) else ()

    def shape(
        self, base: BaseModel | None, mean: tuple[float, ...], variance: tuple[float, ...], pretrained: bool = True
    ) -> ModelShape:
        """Return the shape of the job's model, on these moments of its features."""
        labels, features = len(self.dataset.target.labels), len(self.dataset.features)
        folder = base.folder if base else None
        return ModelShape(labels, self.single_label, features, folder, pretrained, mean, variance)


def read_job(spec: RunSpec) -> Job:
    """Parse the spec's training job. Raises BadInputError if trainer, options, features and length do not match."""
    trainer = find_trainer(spec.workload)
    options = parse_options(trainer.options, spec.workload.training.options)
    max_length = spec.parameters.max_length or spec.workload.training.max_length
    if trainer.takes_text and max_length is None:
        raise BadInputError(
            f"{trainer.name} has no max_length",
            where="parameters.max_length",
            rule="a trainer of texts cuts them at a number of tokens",
            remedy="set training.max_length in the workload",
        )
    return Job(trainer, options, spec.workload.dataset, max_length if trainer.takes_text else None)


def open_base_model(base: BaseModelRef | None, max_length: int | None, scratch: Path) -> BaseModel | None:
    """Verify the base model's files by their recorded digests, then read the tokenizer; None for jobs without text.

    Raises RefusedError if a digest differs or a file is missing, BadInputError if the job names no base model or
    ``max_length`` exceeds the model's positions.
    """
    if max_length is None:
        return None
    if base is None:
        raise BadInputError(
            "there is no base model",
            where="workload.training.base_model",
            rule="a trainer of texts starts from a pre-trained model",
            remedy="name a base model of the model store; `python -m millrace base-model add` brings one in",
        )
    manifest = folders.open_sealed(base.uri, base.manifest_sha256, FolderManifest)
    if missing := sorted({CONFIG_FILE, TOKENIZER_FILE} - set(manifest.files)):
        raise RefusedError(
            f"the base model {base.name} lacks {missing}",
            where=base.uri,
            rule="config.json, model.safetensors and tokenizer.json of a Hugging Face BERT",
            remedy="bring it in again from a complete folder",
        )
    folder = folders.fetch(base.uri, list(manifest.files), scratch / "base")
    positions = json.loads((folder / CONFIG_FILE).read_text()).get("max_position_embeddings")
    if isinstance(positions, int) and max_length > positions:
        raise BadInputError(
            f"max_length is {max_length}, the base model {base.name} has {positions} positions",
            where="parameters.max_length",
            rule=f"at most {positions} tokens",
            remedy="lower max_length, or choose a base model for longer texts",
        )
    return BaseModel(folder, TextTokenizer.from_file(folder / TOKENIZER_FILE))


def fingerprint(spec: RunSpec, dataset: DatasetVersion, base: BaseModelRef | None) -> str:
    """Return a digest of all inputs that determine a run's losses; checkpoints with another digest are not used."""
    workload = spec.workload
    options = {
        name: value
        for name, value in workload.training.options.items()
        if name not in {"checkpoint_seconds", "baseline"}
    }
    parameters = spec.parameters.model_dump(
        include={"rows", "epochs", "batch_size", "learning_rate", "max_length", "seed"}
    )
    parts = {
        "trainer": workload.training.trainer,
        "max_length": workload.training.max_length,
        "options": options,
        "parameters": parameters,
        "dataset": dataset.model_dump(mode="json"),
        "columns": workload.dataset.model_dump(mode="json", include={"features", "target", "split"}),
        "base_model": base.manifest_sha256 if base else None,
        "workers": spec.worker_group.workers if spec.worker_group else 1,
        "keras": [version("keras"), version("keras-hub")],
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
