"""CPU seconds of a training step and peak memory, for each configuration of ``data/cpu_grid.csv``, on this machine.

PYTHONPATH=plugins:images/train:tests/accuracy .venvs/train/bin/python tests/accuracy/cpu_measure.py --out FILE.jsonl

A configuration is a process of its own, forked from one that has the imports done, with the product's model, loss and
optimiser. Eight at a time are built and warmed, and then take turns: five windows each, of a second or one step.
What the file has already is not measured again. A line a configuration, with the machine's load at its windows.
"""

import argparse
import csv
import json
import math
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

GRID = Path(__file__).parent / "data" / "cpu_grid.csv"
TOGETHER = 8
WINDOWS = 5
WINDOW_SECONDS = 1.0
LABELS = 8


def grid() -> list[dict[str, str]]:
    with GRID.open(newline="") as stream:
        return list(csv.DictReader(stream))


def bert_folder(model: str, scratch: Path) -> Path:
    """A base model's configuration without weights."""
    from millrace.sizing.transformer import MODELS

    shape = MODELS[model]
    folder = scratch / model
    folder.mkdir(exist_ok=True)
    config = {
        "model_type": "bert",
        "architectures": ["BertModel"],
        "vocab_size": shape.vocabulary,
        "hidden_size": shape.hidden,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "intermediate_size": shape.intermediate,
        "max_position_embeddings": shape.positions,
        "type_vocab_size": shape.segments,
    }
    (folder / "config.json").write_text(json.dumps(config))
    return folder


class Training:
    """One configuration's compiled model and a batch for it."""

    def __init__(self, row: dict[str, str], scratch: Path) -> None:
        import numpy as np

        from millrace.contracts.trainers import BertOptions, MlpOptions
        from millrace_train.job import Job
        from millrace_train.train import build_compiled
        from millrace_train.trainers.registry import TRAINERS
        from millrace_train.trainers.shape import ModelShape

        length, batch = int(row["length"]), int(row["batch"])
        rng = np.random.default_rng(7)
        self.targets = rng.integers(0, 2, (batch, LABELS)).astype(np.float32)
        if row["family"] == "transformer":
            options: Any = BertOptions()
            trainer, features, base = TRAINERS["bert_text_classifier"], 1, bert_folder(row["model"], scratch)
            tokens = rng.integers(1, 30_000, (batch, length), dtype=np.int32)
            self.inputs = {"token_ids": tokens, "padding_mask": np.ones((batch, length), np.bool_)}
        else:
            width, _, hidden = row["model"].partition(":")
            options, trainer = MlpOptions(hidden=hidden.replace("-", ",")), TRAINERS["mlp_classifier"]
            features, base = int(width), None
            self.inputs = {"features": rng.normal(size=(batch, features)).astype(np.float32)}
        shape = ModelShape(
            labels=LABELS,
            single_label=False,
            features=features,
            base_folder=base,
            pretrained=False,
            mean=(0.0,) * features,
            variance=(1.0,) * features,
        )
        dataset: Any = None  # build_compiled asks the job for its trainer and options alone
        self.model = build_compiled(Job(trainer, options, dataset, length or None), shape, 1e-4, 10_000)
        self.weights = np.ones(batch, np.float32)
        for _ in range(3):
            self.step()
        began = time.perf_counter()
        self.step()
        self.steps = max(1, math.ceil(WINDOW_SECONDS / (time.perf_counter() - began)))

    def step(self) -> None:
        self.model.train_on_batch(self.inputs, self.targets, self.weights)

    def window(self) -> tuple[float, float]:
        """CPU and wall seconds of a step."""
        began, cpu_began = time.perf_counter(), time.process_time()
        for _ in range(self.steps):
            self.step()
        return (time.process_time() - cpu_began) / self.steps, (time.perf_counter() - began) / self.steps


class Child:
    """A configuration in a process of its own: a line in, a line out."""

    def __init__(self, row: dict[str, str], scratch: Path) -> None:
        asked, asks = os.pipe()
        told, tells = os.pipe()
        self.row = row
        self.pid = os.fork()
        if self.pid == 0:
            os.close(asks)
            os.close(told)
            self._serve(row, scratch, asked, tells)
            os._exit(0)
        os.close(asked)
        os.close(tells)
        self._asks, self._told = os.fdopen(asks, "w"), os.fdopen(told)
        self.ask("build")

    def _serve(self, row: dict[str, str], scratch: Path, asked: int, tells: int) -> None:
        from millrace.energy.processes import _peak_resident_bytes

        training: Training | None = None
        with os.fdopen(asked) as lines, os.fdopen(tells, "w") as out:
            # not the end of the pipe: younger children hold its other end, too
            for line in iter(lines.readline, "end\n"):
                if line.strip() == "build":
                    training = Training(row, scratch)
                answer: Any = training.window() if training and line.strip() == "window" else _peak_resident_bytes()
                print(json.dumps(answer), file=out, flush=True)

    def ask(self, what: str) -> Any:
        print(what, file=self._asks, flush=True)
        line = self._told.readline()
        if not line:
            raise RuntimeError(f"{self.row['name']} ended")
        return json.loads(line)

    def close(self) -> None:
        print("end", file=self._asks, flush=True)
        self._asks.close()
        self._told.close()
        os.waitpid(self.pid, 0)


def groups(rows: Sequence[dict[str, str]]) -> Iterator[list[dict[str, str]]]:
    """Rows that lie far apart in the grid meet, so that either half has its windows at the same time."""
    count = math.ceil(len(rows) / TOGETHER)
    yield from (list(rows[at::count]) for at in range(count))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    done = {json.loads(line)["name"] for line in given.out.read_text().splitlines()} if given.out.exists() else set()
    waiting = [row for row in grid() if row["name"] not in done]
    from millrace_train.worker_group import load_keras

    load_keras()
    import keras_hub  # noqa: F401 - before the forks
    import tensorflow  # noqa: F401

    import millrace_train.train  # noqa: F401

    with tempfile.TemporaryDirectory() as name, given.out.open("a") as out:
        for group in groups(waiting):
            children = [Child(row, Path(name)) for row in group]
            turns: list[list[tuple[float, float]]] = [[] for _ in children]
            loads = []
            for _ in range(WINDOWS):
                for child, turn in zip(children, turns, strict=True):
                    turn.append(child.ask("window"))
                loads.append(os.getloadavg()[0])
            for child, turn in zip(children, turns, strict=True):
                found = {
                    "name": child.row["name"],
                    "cpu_seconds": [round(cpu, 6) for cpu, _ in turn],
                    "wall_seconds": [round(wall, 6) for _, wall in turn],
                    "peak_memory_bytes": child.ask("peak"),
                    "load": [round(load, 1) for load in loads],
                    "cores": os.cpu_count(),
                }
                print(json.dumps(found), file=out, flush=True)
                child.close()
            print(f"{time.strftime('%H:%M:%S')} {len(group)} measured, load {loads[-1]:.1f}", flush=True)


if __name__ == "__main__":
    main()
