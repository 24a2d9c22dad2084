"""Length buckets against a plain fixed-length Keras ``fit``: same rows, epochs, optimiser and first weights.

    PYTHONPATH=plugins:images/train .venvs/train/bin/python tests/bench/train.py --base-model FOLDER --data FOLDER

``FOLDER`` of data holds JSON Lines files whose rows have id, text, labels and split ("train" or "test"). Both sides
run an epoch in turn, so that a change in the machine's load meets both. The compiling of either step is left out of
both times, checkpoints are in the bucketed one's. Prints one JSON object; the quotient of wall times is judged and
means something on an idle machine alone, ``cpu_quotient`` beside it hardly feels other processes.

Rows, epochs and learning rate (the demonstration's own) are what it takes for micro-F1 to settle: with half the rows at
5e-4 the two sides differed by 0.021, with these at length 64 by 0.004 and 0.006 (seeds 7 and 8).
"""

import argparse
import json
import logging
import sys
import tempfile
import time
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from millrace.contracts.data import Column, Dataset, Source, Split, Target
from millrace.contracts.trainers import BertOptions
from millrace.scoring.scorer import pad
from millrace.scoring.tokens import TextTokenizer
from millrace.step.main import Stop
from millrace.storage import files
from millrace_train.encode import as_matrix
from millrace_train.job import Job
from millrace_train.loop import Recipe, run_training
from millrace_train.scores import best_threshold
from millrace_train.store import RowStore, RowWriter, bucket_lengths, load_batch, open_store, plan_scoring
from millrace_train.train import build_compiled
from millrace_train.trainers.registry import TRAINERS
from millrace_train.trainers.shape import ModelShape
from millrace_train.untyped import Model
from millrace_train.weights import assign_variables, read_variables
from millrace_train.worker_group import Workers, load_keras

QUOTIENT_AT_LEAST = 0.9
F1_DIFFERENCE_AT_MOST = 0.01


@dataclass(frozen=True)
class Document:
    """One row of the data folder."""

    id: str
    text: str
    labels: tuple[str, ...]


def documents(folder: Path, split: str, count: int) -> list[Document]:
    """The ``count`` documents of a split whose ids hash lowest."""
    found = [
        Document(row["id"], row["text"], tuple(row["labels"]))
        for path in sorted(folder.rglob("*.jsonl"))
        for row in map(json.loads, path.open(encoding="utf-8"))
        if row["split"] == split
    ]
    return sorted(found, key=lambda document: zlib.crc32(document.id.encode()))[:count]


def encode(given: list[Document], labels: list[str], tokenizer: TextTokenizer, length: int, folder: Path) -> RowStore:
    """The documents as a store of rows."""
    targets = np.asarray([[label in document.labels for label in labels] for document in given], np.uint8)
    hashes = np.asarray([zlib.crc32(document.id.encode()) for document in given], np.uint32)
    with RowWriter(folder) as writer:
        writer.add(hashes, targets, tokens=tokenizer.encode([document.text for document in given], length))
        writer.finish("bench", tokenizer.pad_id)
    store = open_store(folder, "bench")
    if store is None:
        raise SystemExit(f"no documents in {folder}")
    return store


def fixed_arrays(store: RowStore, length: int) -> tuple[dict[str, Any], Any]:
    """All rows padded to ``length``."""
    if store.tokens is None or store.offsets is None:
        raise ValueError("no tokens")
    rows = [store.tokens[start:end] for start, end in zip(store.offsets, store.offsets[1:], strict=False)]
    return pad(rows, store.pad_id, length), store.targets.astype(np.float32)


def held_out_f1(model: Model, store: RowStore, recipe: Recipe) -> float:
    """Micro-F1 at the threshold that is best on the held-out rows, for either side alike."""
    probabilities = np.empty(store.targets.shape, np.float32)
    for batch in plan_scoring(store, recipe.buckets, recipe.batch_size):
        given = load_batch(store, batch, recipe.batch_size)
        probabilities[batch.rows] = np.asarray(model.predict_on_batch(given.inputs))[: len(batch.rows)]
    return best_threshold(probabilities, as_matrix(store.targets, store.targets.shape[1]))[1]


def epochs_of_fit(model: Model, store: RowStore, length: int, recipe: Recipe) -> Iterator[tuple[float, float]]:
    """Run an epoch of plain ``fit`` at each turn; yields its wall and CPU seconds."""
    inputs, targets = fixed_arrays(store, length)
    before = {**read_variables("m", model.variables), **read_variables("o", model.optimizer.variables)}
    before = {name: array.copy() for name, array in before.items()}
    for _ in range(2):
        some = {name: array[: recipe.batch_size] for name, array in inputs.items()}
        model.fit(some, targets[: recipe.batch_size], batch_size=recipe.batch_size, verbose=0)
    assign_variables("m", model.variables, before, "bench")
    assign_variables("o", model.optimizer.variables, before, "bench")
    for epoch in range(recipe.epochs):
        began, cpu_began = time.monotonic(), time.process_time()
        model.fit(
            inputs,
            targets,
            batch_size=recipe.batch_size,
            initial_epoch=epoch,
            epochs=epoch + 1,
            shuffle=True,
            verbose=0,
        )
        yield time.monotonic() - began, time.process_time() - cpu_began


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Length buckets against a plain fixed-length Keras fit.")
    parser.add_argument("--base-model", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=2048)
    parser.add_argument("--held-out", type=int, default=2000)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument(
        "--labels", type=int, default=8, help="the most frequent ones: few steps do not teach rare ones"
    )
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--length", type=int, default=256)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--learning-rate", type=float, default=3e-4)
    parser.add_argument("--precision", choices=("float32", "mixed_bfloat16"), default="float32")
    return parser.parse_args()


def main() -> int:
    given = read_arguments()
    training = documents(given.data, "train", given.rows)
    held_out = documents(given.data, "test", given.held_out)
    counts = Counter(label for document in training for label in document.labels)
    labels = sorted(label for label, _ in counts.most_common(given.labels))
    options = BertOptions(precision=given.precision)
    tokenizer = TextTokenizer.from_file(given.base_model / "tokenizer.json")
    keras = load_keras(given.precision)
    job = Job(TRAINERS["bert_text_classifier"], options, _dataset(labels), given.length)
    recipe = Recipe(
        epochs=given.epochs,
        batch_size=given.batch_size,
        rows_at_once=given.batch_size,
        seed=given.seed,
        buckets=bucket_lengths(job.bucket_lengths, given.length),
        checkpoint_seconds=options.checkpoint_seconds,
        fingerprint="bench",
    )
    shape = ModelShape(labels=len(labels), single_label=False, features=1, base_folder=given.base_model)
    with tempfile.TemporaryDirectory() as temporary:
        scratch = Path(temporary)
        rows = encode(training, labels, tokenizer, given.length, scratch / "train")
        test = encode(held_out, labels, tokenizer, given.length, scratch / "test")
        steps = recipe.epochs * recipe.steps_per_epoch(rows.rows)
        keras.utils.set_random_seed(recipe.seed)
        bucketed = build_compiled(job, shape, given.learning_rate, steps)
        load_keras(given.precision)
        plain = build_compiled(job, shape, given.learning_rate, steps)
        assign_variables("m", plain.variables, read_variables("m", bucketed.variables), "bench")
        plain.optimizer.build(plain.trainable_variables)
        plain_seconds = bucketed_seconds = plain_cpu_seconds = bucketed_cpu_seconds = 0.0
        tokens = 0
        for epoch, (seconds, cpu_seconds) in enumerate(epochs_of_fit(plain, rows, given.length, recipe)):
            plain_seconds += seconds
            plain_cpu_seconds += cpu_seconds
            part = replace(recipe, epochs=epoch + 1)
            outcome = run_training(bucketed, rows, part, files.to_uri(scratch / "state"), Stop(), Workers(None))
            bucketed_seconds += outcome.loop_seconds
            bucketed_cpu_seconds += outcome.loop_cpu_seconds
            tokens = outcome.tokens
        plain_f1, bucketed_f1 = (held_out_f1(model, test, recipe) for model in (plain, bucketed))
    token_ratio = rows.rows * given.length * given.epochs / tokens
    time_ratio = plain_seconds / bucketed_seconds
    result = {
        "rows": rows.rows,
        "epochs": given.epochs,
        "batch_size": given.batch_size,
        "labels": len(labels),
        "length": given.length,
        "seed": given.seed,
        "precision": given.precision,
        "plain_seconds": round(plain_seconds, 2),
        "bucketed_seconds": round(bucketed_seconds, 2),
        "token_ratio": round(token_ratio, 4),
        "time_ratio": round(time_ratio, 4),
        "quotient": round(time_ratio / token_ratio, 4),
        "cpu_quotient": round(plain_cpu_seconds / bucketed_cpu_seconds / token_ratio, 4),
        "quotient_at_least": QUOTIENT_AT_LEAST,
        "plain_micro_f1": round(plain_f1, 4),
        "bucketed_micro_f1": round(bucketed_f1, 4),
        "micro_f1_difference": round(abs(plain_f1 - bucketed_f1), 4),
        "micro_f1_difference_at_most": F1_DIFFERENCE_AT_MOST,
    }
    result["pass"] = result["quotient"] >= QUOTIENT_AT_LEAST and result["micro_f1_difference"] <= F1_DIFFERENCE_AT_MOST
    print(json.dumps(result, indent=1))
    return 0 if result["pass"] else 1


def _dataset(labels: list[str]) -> Dataset:
    return Dataset(
        source=Source(uri_template="file:///unused/{partition}.jsonl", format="jsonl"),
        columns=(
            Column(name="id", type="string"),
            Column(name="text", type="string"),
            Column(name="labels", type="list<string>"),
        ),
        features=("text",),
        target=Target(column="labels", kind="multi_label", labels=tuple(labels)),
        split=Split(key="id"),
    )


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    sys.exit(main())
