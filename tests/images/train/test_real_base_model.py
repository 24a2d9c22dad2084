"""A real BERT, where a folder of one is at hand."""

import os
from pathlib import Path

import numpy as np
import pytest

from millrace.contracts.trainers import BertOptions
from millrace.scoring.tokens import TextTokenizer
from millrace_train.onnx_file import largest_difference, write_onnx
from millrace_train.trainers.bert_text_classifier import build
from millrace_train.trainers.shape import ModelShape
from millrace_train.worker_group import load_keras

FOLDER = os.environ.get("MILLRACE_TEST_BASE_MODEL")


@pytest.mark.skipif(FOLDER is None, reason="MILLRACE_TEST_BASE_MODEL names no folder of a base model")
def test_its_export_equals_keras_at_every_length(tmp_path: Path) -> None:
    load_keras()
    folder = Path(str(FOLDER))
    model = build(ModelShape(labels=5, single_label=False, features=1, base_folder=folder), BertOptions())
    write_onnx(model, tmp_path / "model.onnx")
    tokenizer = TextTokenizer.from_file(folder / "tokenizer.json")
    batches = []
    for length in (8, 64, 200):
        ids = tokenizer.encode(["a rocket to the moon " * 50], length)
        mask = np.ones((2, length), np.bool_)
        mask[1, length // 3 :] = False
        batches.append({"token_ids": np.asarray(ids * 2, np.int32), "padding_mask": mask})
    assert largest_difference(model, tmp_path / "model.onnx", batches) < 1e-4
