"""Constants and coefficients of the formulas, with their sources: priors, until calibration has learned factors.

"Measured" means: for this project, on two cores of an AVX-512 Xeon, TensorFlow 2.21, float32, while the machine had no
other load. "Assumed" means an estimate of the order of magnitude, until the ledger has measurements.
"""

from dataclasses import dataclass

from millrace.contracts.measurement import Hardware, Precision

FLOAT_BYTES = 4
VALUE_BYTES: dict[Precision, int] = {
    "float32": 4, "tf32": 4, "mixed_float16": 2, "mixed_bfloat16": 2, "float8": 2
}  # fmt: skip
"""Bytes of an activation or a gradient, by the precision of products."""
# Bytes per parameter of a checkpoint: weight and two moments in float32.
CHECKPOINT_PARAMETER_BYTES = 3 * FLOAT_BYTES

# Measured, resident. TensorFlow's import with Keras, KerasHub and pyarrow: 0.9 GB. MiniLM with 22.7 and with 68.6
# million parameters, all else equal: 39 bytes per parameter (weight, gradient and two moments are 16; the rest is the
# checkpoint's copy of three of them, clipped gradients and the optimiser's temporaries). Lengths 32, 64 and 128 with
# 16 to 64 rows: 1.6 times the activations that the formula counts. The traces of a whole run, with those of
# prediction, are the remainder of the demonstration's 2.9 GB.
FRAMEWORK_BYTES = 0.9e9
TEXT_TRACE_BYTES = 0.45e9

# Measured: import 9 to 11 s; the first step's trace 11 s, that of a second length 7 s, which serves all other lengths.
IMPORT_SECONDS = 10.0
FIRST_TRACE_SECONDS = 11.0
SECOND_TRACE_SECONDS = 7.0
# Assumed: a trace of a few dense layers.
TABLE_TRACE_SECONDS = 1.5
# Assumed: reading the weights, encoding the rows, one checkpoint per epoch, the model folder at the end.
TRAIN_FILES_SECONDS = 5.0
ROWS_ENCODED_PER_SECOND = 2_000.0

# Assumed: import of pyarrow, and of Great Expectations with its first suite.
INGEST_START_SECONDS = 3.0
VALIDATE_START_SECONDS = 15.0
INGEST_BYTES_PER_SECOND = 60e6
VALIDATE_BYTES_PER_SECOND = 20e6

# Assumed: rebuilding the model, converting it, and running both on the same rows.
EXPORT_SECONDS = 25.0
TABLE_EXPORT_SECONDS = 5.0
# Assumed: ONNX Runtime's and scikit-learn's import; logistic regression on the training rows.
EVALUATE_START_SECONDS = 8.0
BASELINE_ROWS_PER_SECOND = 300.0
LATENCY_REQUESTS = 200

# Assumed: a model server's start with one version loaded.
ROLL_OUT_SECONDS = 15.0
# Size, gate and finish, which run in Airflow's worker.
SMALL_STEP_SECONDS = 1.0

# The share of busy cores, for the energy estimate: training and scoring use nearly all cores all the time.
BUSY_SHARE = 0.95

# Assumed: the same for a GPU host, including its fans and power supplies, whose draw follows the GPUs' load.
GPU_HOST_BUSY_SHARE = 0.5

# Measured (make cluster-bench): extra time of a no-op step as a pod over a process, with its image on the node.
POD_START_SECONDS = 3.9
# Measured: the unpacked images data and train. Assumed: the rate at which a node pulls and unpacks them, and that one
# run in ten has to pull them.
PULLED_BYTES = {"ingest": 0.93e9, "train": 3.65e9}
PULL_BYTES_PER_SECOND = 100e6
# The trainers' default interval between two checkpoints.
CHECKPOINT_SECONDS = 30.0

# Assumed: parsing, tokenising and answering a request, and the ratio of its P99 to its P50.
REQUEST_SECONDS = 0.002
REQUEST_P99 = 2.0

# The ratio of P90 to P50 of data steps. Assumed, until runs have been measured.
SECONDS_P90 = 1.6


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
