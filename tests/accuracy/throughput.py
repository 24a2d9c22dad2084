"""What others published of BERT on GPUs, predicted from data sheets and priors: training, power, requests, memory.

The priors have seen the A100's float16 training at eight GPUs, what of a V100's step does not grow with its rows, its
requests of one row and which batches fit; they have seen nothing of the H100, of tf32 and of the V100's pre-training.
"""

import csv
import sys
from pathlib import Path

from score import HEADER, row

from millrace.contracts.measurement import Hardware
from millrace.sizing.catalogue import hardware
from millrace.sizing.coefficients import GPU
from millrace.sizing.job import Job, ModelSize
from millrace.sizing.power import TYPICAL
from millrace.sizing.roofline import CONTEXT_BYTES, Setup, StepSeconds, device_memory, request_seconds, step_seconds
from millrace.sizing.transformer import Head, shape

PUBLISHED = Path(__file__).parent / "data" / "nvidia_tf2_bert.csv"
# MLPerf Training v4.0, BERT-large on 8 H100, means of its runs. Samples have 256 real tokens in the mean (Krell et al.,
# 2021: half of 512 is padding, which packing takes away); float8 products, fused attention; watts of the whole node.
MLPERF_ROWS_PER_SECOND = 7_570.0
MLPERF_WATTS = 6_859.0
BARS = {("a100-80-sxm", "128", "8", "mixed_float16"): 0.15, ("a100-80-sxm", "512", "8", "mixed_float16"): 0.15}


def size_of(model: str, length: int, head: str, predictions: str) -> ModelSize:
    top = Head(head, predictions=int(predictions) if predictions else None)  # type: ignore[arg-type]
    return shape(model).size({length: 1.0}, top)


def training(each: dict[str, str]) -> float:
    node, gpus, parts = hardware(f"{each['gpus']}x{each['gpu']}"), int(each["gpus"]), int(each["accumulation"])
    size = size_of(each["model"], int(each["length"]), each["head"], each["predictions"])
    rows = int(each["rows"]) * parts
    setup = Setup(rows, gpus, parts, each["precision"])  # type: ignore[arg-type]
    return rows * gpus / step_seconds(size, setup, node, GPU).total / float(each["measured"]) - 1


def request(each: dict[str, str]) -> float:
    length = int(each["length"])
    size = size_of(each["model"], length, each["head"], "")
    card, precision = hardware(f"1x{each['gpu']}"), each["precision"]
    found = request_seconds(size, length, int(each["rows"]), card, GPU, precision)  # type: ignore[arg-type]
    return found / float(each["measured"]) - 1


def fits(each: dict[str, str]) -> bool:
    """Whether what is predicted fits exactly where the batch did."""
    size = size_of(each["model"], int(each["length"]), each["head"], each["predictions"])
    job = Job(size, 1_000, 0, 0, 1, 1, int(each["rows"]), precision=each["precision"])  # type: ignore[arg-type]
    card = hardware(f"1x{each['gpu']}")
    assert card.device is not None
    needed = sum(device_memory(job, card, GPU).values()) + CONTEXT_BYTES
    return (needed <= card.device.memory_bytes) == (each["measured"] == "1")


def mlperf() -> tuple[Hardware, StepSeconds, Setup]:
    node = hardware("8xh100-sxm")
    setup = Setup(96, 8, precision="float8", fused_attention=True)
    return node, step_seconds(size_of("bert-large", 256, "language_model", "40"), setup, node, GPU), setup


def main() -> int:
    with PUBLISHED.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    kept = []
    print(HEADER)
    for each in rows:
        bar = BARS.get((each["gpu"], each["length"], each["gpus"], each["precision"]))
        if each["kind"] == "train" and bar:
            line, good = row(f"8 A100, BERT-large, {each['length']} tokens, float16, rows/s", [training(each)], bar)
            print(line)
            kept.append(good)
    trained = [each for each in rows if each["kind"] == "train"]
    for gpu in ("a100-80-sxm", "v100-sxm"):
        print(
            row(
                f"{gpu}, BERT-large, all published, rows/s", [training(each) for each in trained if each["gpu"] == gpu]
            )[0]
        )
    print(
        row("v100-sxm, seconds of a batch of requests", [request(each) for each in rows if each["kind"] == "request"])[
            0
        ]
    )
    judged = [fits(each) for each in rows if each["kind"] == "fits"]
    print(f"{'batches that fit, and that do not':58} {len(judged):4} {sum(judged)} right")
    node, step, setup = mlperf()
    line, good = row(
        "8 H100, BERT-large, MLPerf, cold, rows/s", [setup.rows * 8 / step.total / MLPERF_ROWS_PER_SECOND - 1], 0.25
    )
    print(line)
    assert node.device is not None
    host = node.cores * (node.idle_watts_per_core + node.active_watts_per_core / 2)
    drawn = node.gpus * node.device.peak_watts * TYPICAL.share(1.0, step.busy) + host
    print(row("8 H100, the node's watts", [drawn / MLPERF_WATTS - 1])[0])
    return 0 if all([*kept, good]) else 1


if __name__ == "__main__":
    sys.exit(main())
