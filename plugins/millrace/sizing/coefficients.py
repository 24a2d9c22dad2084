"""Coefficients of the formulas by kind of hardware: priors, until calibration has learned factors from the ledger."""

from dataclasses import dataclass

from millrace.contracts.measurement import Hardware, Precision


@dataclass(frozen=True)
class Coefficients:
    """Reached shares of a data sheet's peaks, and overheads of training.

    ``unfused`` is the share of element-wise memory traffic that compilers leave. ``overlapped`` is the share of the
    gradient exchange that overlaps with the backward pass. ``kernel_seconds`` is the host's time per kernel,
    ``optimiser_bytes`` the bytes moved per parameter and step. ``kept_overhead`` is the ratio of memory to kept
    activations, ``parameter_bytes`` memory per parameter: weight, gradient, moments and copies. The last three are
    ratios of P90 to P50.
    """

    products: float
    memory: float
    unfused: float
    overlapped: float
    kernel_seconds: float
    optimiser_bytes: float
    kept_overhead: float
    parameter_bytes: float
    workspace_bytes: float
    seconds_p90: float = 1.6
    memory_p90: float = 1.4
    joules_p90: float = 1.6

    def of_peak(self, precision: Precision) -> float:
        """Return the reached share of the peak: lower for float8, whose units starve sooner, higher for float32."""
        return min(1.0, self.products * {"float32": 1.5, "float8": 0.8}.get(precision, 1.0))


# GPU: products and unfused traffic are fitted to BERT-large in float16 on A100, as published with NVIDIA's TensorFlow 2
# scripts (DeepLearningExamples: 3,799 sequences per second on eight at length 128, 650 at 512); values without a
# source are assumed.
GPU = Coefficients(
    products=0.5,
    memory=0.8,
    unfused=0.5,
    overlapped=0.5,
    # BERT requests of one row on a V100, TensorFlow 2 (the same scripts): 9.5 ms for 650 kernels, 4.2 ms for 324
    kernel_seconds=13e-6,
    # clipping and AdamW, not fused: between 6 and 12, 3 and 8 rows per step, BERT-large on a V100 has 51 and 55 ms
    # that do not grow with the rows (the same scripts)
    optimiser_bytes=100,
    # the batch sizes documented to fit, and not to fit, on V100 and A100 (the same scripts)
    kept_overhead=1.55,
    # float32 weight and gradient, two moments, and a copy of weight and gradient while gradients are clipped
    parameter_bytes=22,
    workspace_bytes=0.3e9,
    seconds_p90=1.35,
    memory_p90=1.2,
    joules_p90=1.35,
)

# CPU: the catalogue's GFLOP/s are sustained ones, fitted with most element-wise work included (calibration.py). A tenth
# of that work and 10 µs per kernel are assumed, so that calibration can separate them and learn their factors.
CPU = Coefficients(
    products=1 / 1.5,
    memory=1.0,
    unfused=0.1,
    overlapped=0.0,
    kernel_seconds=1e-5,
    # weight, gradient and two moments read, weight and moments written
    optimiser_bytes=28,
    kept_overhead=1.6,
    parameter_bytes=39,
    workspace_bytes=0.0,
)


def prior(hardware: Hardware) -> Coefficients:
    """Return the coefficients of hardware before calibration."""
    return CPU if hardware.device is None else GPU
