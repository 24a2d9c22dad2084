"""A model version for the serving bench: the demonstration's BERT, untrained.

    PYTHONPATH=plugins:images/train .venvs/train/bin/python tests/bench/serve_model.py --into FOLDER [--base-model BASE]

What a request costs does not depend on the weights, which are drawn. Without the base model's folder its shape is
known here, and the tokenizer has a vocabulary of made-up words. Prints the version (JSON).
"""

import argparse
import json
import logging
import shutil
import sys
import tempfile
from datetime import date
from pathlib import Path

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from millrace.contracts.data import DatasetVersion
from millrace.contracts.model import ModelManifest, ModelVersion
from millrace.contracts.trainers import BertOptions
from millrace.scoring.scorer import MODEL_FILE
from millrace.scoring.tokens import TOKENIZER_FILE
from millrace.storage import files, folders
from millrace_train.onnx_file import write_onnx
from millrace_train.trainers.registry import TRAINERS
from millrace_train.trainers.shape import ModelShape
from millrace_train.worker_group import load_keras

WORKLOAD = "bench"
LABELS = tuple(f"label {number}" for number in range(33))


def made_up(folder: Path) -> Path:
    """A base model's folder: MiniLM's shape, words of the serving bench's made-up texts."""
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "word", *(f"##{number}" for number in range(1000))]
    vocabulary = {piece: index for index, piece in enumerate(pieces)}
    config = {
        "model_type": "bert",
        "architectures": ["BertModel"],
        "vocab_size": len(vocabulary),
        "hidden_size": 384,
        "num_hidden_layers": 6,
        "num_attention_heads": 12,
        "intermediate_size": 1536,
        "max_position_embeddings": 512,
        "type_vocab_size": 2,
    }
    (folder / "config.json").write_text(json.dumps(config))
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    ends = [(piece, vocabulary[piece]) for piece in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ends)
    tokenizer.save(str(folder / TOKENIZER_FILE))
    return folder


def make(base_model: Path, into: Path, max_length: int) -> ModelVersion:
    """Write the sealed folder of a version below ``into``."""
    load_keras("float32")
    shape = ModelShape(labels=len(LABELS), single_label=False, features=1, base_folder=base_model, pretrained=False)
    model = TRAINERS["bert_text_classifier"].build(shape, BertOptions())
    folder = into / WORKLOAD
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    write_onnx(model, folder / MODEL_FILE)
    shutil.copyfile(base_model / TOKENIZER_FILE, folder / TOKENIZER_FILE)
    uri = files.to_uri(folder)
    manifest = ModelManifest(
        workload=WORKLOAD,
        trainer="bert_text_classifier",
        files=folders.digests(uri),
        target_kind="multi_label",
        labels=LABELS,
        thresholds=(0.5,) * len(LABELS),
        features=("text",),
        max_length=max_length,
        export_tolerance=1.0,
        export_error=0.0,
        dataset=DatasetVersion(workload=WORKLOAD, uri="file:///none", version=0, until=date(2026, 1, 1)),
    )
    return ModelVersion(workload=WORKLOAD, version=WORKLOAD, uri=uri, manifest_sha256=folders.seal(uri, manifest))


def main() -> int:
    """Write the version and print it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--base-model", type=Path)
    parser.add_argument("--into", type=Path, required=True)
    parser.add_argument("--max-length", type=int, default=64)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        base_model = given.base_model or made_up(Path(scratch))
        print(make(base_model, given.into.resolve(), given.max_length).model_dump_json())
    return 0


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    sys.exit(main())
