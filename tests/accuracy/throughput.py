"""Training throughput and power that others published, predicted from data sheets and priors.

The A100's two figures went into the priors; nothing of the H100 did.
"""

import sys

from score import HEADER, row

from millrace.sizing.catalogue import hardware
from millrace.sizing.coefficients import GPU
from millrace.sizing.models import shape
from millrace.sizing.power import TYPICAL
from millrace.sizing.roofline import Setup, step_seconds
from millrace.sizing.transformer import Head

# NVIDIA DeepLearningExamples, TensorFlow 2, BERT-large pre-training in float16 on 8 A100-80GB, sequences a second.
# MLPerf Training v4.0, BERT-large on 8 H100: samples of 256 real tokens in the mean (Krell et al., 2021: half of 512 is
# padding, which packing takes away), float8 products, fused attention; watts are the whole node's.
PUBLISHED = (
    ("8xa100-80-sxm", 128, 20, Setup(312, 8, precision="mixed_float16"), 3_799.0, None, 0.15),
    ("8xa100-80-sxm", 512, 80, Setup(56, 8, precision="mixed_float16"), 650.0, None, 0.15),
    ("8xh100-sxm", 256, 40, Setup(96, 8, precision="float8", fused_attention=True), 7_570.0, 6_859.0, 0.25),
)


def main() -> int:
    kept = []
    print(HEADER)
    for name, length, predictions, setup, measured, watts, bar in PUBLISHED:
        node = hardware(name)
        size = shape("bert-large").size({length: 1.0}, Head("language_model", predictions=predictions))
        step = step_seconds(size, setup, node, GPU)
        found = setup.rows * setup.devices / step.total
        line, good = row(
            f"{name}, {length} tokens: {found:,.0f} of {measured:,.0f} rows/s", [found / measured - 1], bar
        )
        print(line)
        kept.append(good)
        if watts and node.device:
            drawn = node.gpus * node.device.peak_watts * TYPICAL.share(1.0, step.busy) + node.cores * (
                node.idle_watts_per_core + node.active_watts_per_core / 2
            )
            print(row(f"{name}, the node: {drawn:,.0f} of {watts:,.0f} W", [drawn / watts - 1])[0])
    return 0 if all(kept) else 1


if __name__ == "__main__":
    sys.exit(main())
