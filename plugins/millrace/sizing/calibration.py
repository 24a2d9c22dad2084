"""Constants of a plan's seconds and bytes other than the coefficients, each with its source.

"Measured" means: for this project, on two cores of an AVX-512 Xeon, TensorFlow 2.21, float32, while the machine had no
other load. "Assumed" means an estimate of the order of magnitude, until the ledger has measurements.
"""

from millrace.contracts.measurement import Precision

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
