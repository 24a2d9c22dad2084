"""Tiny models and tables, made here: a random BERT of two layers by 32, and Delta tables of a few hundred rows."""

import datetime
import json
import random
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from deltalake import write_deltalake
from safetensors.numpy import save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from millrace.contracts.data import Column, Dataset, DatasetVersion, Source, Split, Target
from millrace.contracts.measurement import Hardware
from millrace.contracts.model import BaseModelRef, FolderManifest
from millrace.contracts.parameters import Parameters
from millrace.contracts.report import TrainResult
from millrace.contracts.run_spec import ExportTask, RunSpec, Task, TryKey
from millrace.contracts.workload import GatePolicy, Training, Workload
from millrace.step.main import Stop
from millrace.storage import files, folders

WORDS = ("ball", "bat", "team", "orbit", "moon", "rocket", "chip", "disk", "code", "the", "a", "of", "and", "in", "on")
TOPICS = {"sport": WORDS[0:3], "space": WORDS[3:6], "computer": WORDS[6:9]}
FILLERS = WORDS[9:]
HIDDEN, LAYERS, POSITIONS = 32, 2, 64
FIRST_DAY = datetime.date(2024, 1, 1)


def _split(key: str, test_share: int = 5) -> str:
    number = zlib.crc32(key.encode()) // 7
    return "test" if number % test_share == 0 else "validation" if number % test_share == 1 else "train"


def text_rows(count: int, seed: int = 3) -> list[dict[str, Any]]:
    """Documents of 3 to 45 words about one or two topics, dealt over three days."""
    rng = random.Random(seed)
    rows = []
    for index in range(count):
        topics = rng.sample(sorted(TOPICS), rng.choice([1, 1, 2]))
        words = [rng.choice(TOPICS[topic]) for topic in topics for _ in range(rng.randint(2, 5))]
        words += rng.choices(FILLERS, k=rng.choice([1, 4, 12, 35]))
        rng.shuffle(words)
        key = f"doc-{index:05d}"
        day = FIRST_DAY + datetime.timedelta(days=index % 3)
        rows.append({"id": key, "text": " ".join(words), "labels": topics, "split_": _split(key), "partition_": day})
    return rows


def number_rows(count: int, seed: int = 5) -> list[dict[str, Any]]:
    """Points around three centres, the scales of whose axes differ a thousandfold."""
    rng = np.random.default_rng(seed)
    centres = {"low": (0.0, 1000), "middle": (4.0, 9000), "high": (8.0, 4000)}
    rows = []
    for index in range(count):
        label = sorted(centres)[index % 3]
        x, y = centres[label]
        rows.append(
            {
                "id": index,
                "x": x + float(rng.normal(0, 0.8)),
                "y": int(y + rng.normal(0, 900)),
                "group": label,
                "split_": _split(str(index)),
                "partition_": FIRST_DAY,
            }
        )
    return rows


@pytest.fixture
def write_table(tmp_path: Path) -> Callable[..., DatasetVersion]:
    def write(
        rows: Sequence[Mapping[str, Any]], name: str = "table", until: datetime.date | None = None
    ) -> DatasetVersion:
        uri = files.to_uri(tmp_path / name)
        write_deltalake(uri, pa.Table.from_pylist([dict(row) for row in rows]), partition_by=["partition_"])
        return DatasetVersion(workload="tiny", uri=uri, version=0, until=until or datetime.date(2024, 12, 31))

    return write


@pytest.fixture(scope="session")
def base_model(tmp_path_factory: pytest.TempPathFactory) -> BaseModelRef:
    folder = tmp_path_factory.mktemp("base")
    vocabulary = {word: index for index, word in enumerate(("[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS))}
    config = {
        "model_type": "bert",
        "architectures": ["BertModel"],
        "vocab_size": len(vocabulary),
        "hidden_size": HIDDEN,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": 2,
        "intermediate_size": 64,
        "max_position_embeddings": POSITIONS,
        "type_vocab_size": 2,
    }
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "vocab.txt").write_text("\n".join(vocabulary))
    save_file(_bert_weights(len(vocabulary)), folder / "model.safetensors")
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", vocabulary["[CLS]"]), ("[SEP]", vocabulary["[SEP]"])]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    uri = files.to_uri(folder)
    sha256 = folders.seal(uri, FolderManifest(kind="base_model", files=folders.digests(uri)))
    return BaseModelRef(name="tiny-bert", uri=uri, manifest_sha256=sha256)


def _bert_weights(vocabulary: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)

    def draw(*shape: int) -> np.ndarray:
        return rng.normal(0, 0.05, shape).astype(np.float32)

    def norm(prefix: str) -> dict[str, np.ndarray]:
        return {f"{prefix}.weight": np.ones(HIDDEN, np.float32), f"{prefix}.bias": np.zeros(HIDDEN, np.float32)}

    def dense(prefix: str, given: int, made: int) -> dict[str, np.ndarray]:
        return {f"{prefix}.weight": draw(made, given), f"{prefix}.bias": draw(made)}

    weights = {
        "embeddings.word_embeddings.weight": draw(vocabulary, HIDDEN),
        "embeddings.position_embeddings.weight": draw(POSITIONS, HIDDEN),
        "embeddings.token_type_embeddings.weight": draw(2, HIDDEN),
        **norm("embeddings.LayerNorm"),
        **dense("pooler.dense", HIDDEN, HIDDEN),
    }
    for layer in range(LAYERS):
        prefix = f"encoder.layer.{layer}"
        for part in ("query", "key", "value"):
            weights |= dense(f"{prefix}.attention.self.{part}", HIDDEN, HIDDEN)
        weights |= dense(f"{prefix}.attention.output.dense", HIDDEN, HIDDEN)
        weights |= norm(f"{prefix}.attention.output.LayerNorm")
        weights |= dense(f"{prefix}.intermediate.dense", HIDDEN, 64)
        weights |= dense(f"{prefix}.output.dense", 64, HIDDEN)
        weights |= norm(f"{prefix}.output.LayerNorm")
    return weights


@pytest.fixture
def export_task(tmp_path: Path) -> Callable[..., ExportTask]:
    """What exports a trained model into a folder of the test's own."""

    def make(version: DatasetVersion, base: BaseModelRef | None, trained: TrainResult) -> ExportTask:
        return ExportTask(
            dataset=version,
            base_model=base,
            trained_uri=trained.trained_uri,
            trained_sha256=trained.trained_sha256,
            models_uri=files.to_uri(tmp_path / "models"),
        )

    return make


@dataclass(frozen=True)
class Specs:
    """Makes the specs of one run below a folder; each attempt has a folder of its own."""

    folder: Path
    dataset: Dataset
    trainer: str
    parameters: Mapping[str, Any]
    max_length: int | None = None

    def make(self, task: Task, attempt: int = 1, options: Mapping[str, Any] | None = None, **changes: Any) -> RunSpec:
        workload = Workload(
            name="tiny",
            description="for tests",
            owner="tests",
            team="tests",
            start=FIRST_DAY,
            dataset=self.dataset,
            training=Training(trainer=self.trainer, max_length=self.max_length, options=dict(options or {})),
            gate=GatePolicy(quality_floor=0.5),
        )
        return RunSpec(
            key=TryKey(dag_id="tiny", run_id="r", repeat=0, task_id=task.kind, try_number=attempt),
            workload=workload,
            parameters=Parameters(**{**self.parameters, **changes}),
            hardware=Hardware(
                name="test",
                cores=2,
                gflops_per_core=10,
                idle_watts_per_core=1,
                active_watts_per_core=5,
                memory_bytes=1 << 33,
            ),
            attempt_uri=files.to_uri(self.folder / f"{task.kind}-{attempt}"),
            state_uri=files.to_uri(self.folder / f"{task.kind}-state"),
            task=task,
        )


@pytest.fixture
def text_spec(tmp_path: Path) -> Callable[..., RunSpec]:
    dataset = Dataset(
        source=Source(uri_template="file:///arrivals/{partition}.jsonl", format="jsonl"),
        columns=(
            Column(name="id", type="string"),
            Column(name="text", type="string"),
            Column(name="labels", type="list<string>"),
        ),
        features=("text",),
        target=Target(column="labels", kind="multi_label", labels=tuple(TOPICS)),
        split=Split(key="id"),
    )
    parameters = {"epochs": 2, "batch_size": 16, "learning_rate": 0.005}
    return Specs(tmp_path / "run", dataset, "bert_text_classifier", parameters, max_length=32).make


@pytest.fixture
def number_spec(tmp_path: Path) -> Callable[..., RunSpec]:
    dataset = Dataset(
        source=Source(uri_template="file:///arrivals/{partition}.csv", format="csv"),
        columns=(
            Column(name="id", type="int64"),
            Column(name="x", type="float64"),
            Column(name="y", type="int64"),
            Column(name="group", type="string"),
        ),
        features=("x", "y"),
        target=Target(column="group", kind="single_label", labels=("high", "low", "middle")),
        split=Split(key="id"),
    )
    return Specs(
        tmp_path / "run", dataset, "mlp_classifier", {"epochs": 6, "batch_size": 16, "learning_rate": 0.01}
    ).make


@pytest.fixture
def make_text_rows() -> Callable[[int], list[dict[str, Any]]]:
    return text_rows


@pytest.fixture
def make_number_rows() -> Callable[[int], list[dict[str, Any]]]:
    return number_rows


class _StopAfter(Stop):
    def __init__(self, reads: int) -> None:
        super().__init__()
        self._reads = reads

    @property
    def requested(self) -> bool:
        self._reads -= 1
        return self._reads < 0


@pytest.fixture
def stop_after() -> Callable[[int], Stop]:
    """Makes a Stop that asks to stop once so many readings of it have been taken."""
    return _StopAfter


@pytest.fixture
def read_losses() -> Callable[[str], list[float]]:
    def read(state_uri: str) -> list[float]:
        lines: Iterable[str] = (files.local_path(state_uri) / "losses.jsonl").read_text().splitlines()
        entries = [json.loads(line) for line in lines]
        assert [entry["step"] for entry in entries] == list(range(1, len(entries) + 1))
        return [entry["loss"] for entry in entries]

    return read
