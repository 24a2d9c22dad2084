"""The constants behind a plan's seconds and bytes that no coefficient stands for, each with where it comes from.

"Measured" is: for this project, on two cores of an AVX-512 Xeon, TensorFlow 2.21, float32, before the machine's other
work. "Assumed" is a guess of the right size, to be replaced by what the ledger measures.
"""

from millrace.contracts.measurement import Precision

FLOAT_BYTES = 4
VALUE_BYTES: dict[Precision, int] = {
    "float32": 4, "tf32": 4, "mixed_float16": 2, "mixed_bfloat16": 2, "float8": 2
}  # fmt: skip
"""Of an activation or a gradient, by the precision that products have."""
# A checkpoint's weights and two moments, in float32.
CHECKPOINT_PARAMETER_BYTES = 3 * FLOAT_BYTES

# Measured, resident. TensorFlow's import with Keras, KerasHub and pyarrow: 0.9 GB. MiniLM with 22.7 and with 68.6
# million parameters, all else equal: 39 bytes a parameter (weight, gradient and two moments are 16; the checkpoint's
# copy of three of them, clipped gradients and what the optimiser holds in a step are the rest). Lengths 32, 64 and 128
# with 16 to 64 rows: 1.6 times the activations that the formula counts. A whole run's traces, those of prediction
# included, are what remains of the demonstration's 2.9 GB.
FRAMEWORK_BYTES = 0.9e9
TRAINING_BYTES_PER_PARAMETER = 39
ACTIVATION_OVERHEAD = 1.6
TEXT_TRACE_BYTES = 0.45e9

# Measured: import 9 to 11 s; the first step's trace 11 s, that of a second length 7 s, which is then good for all.
IMPORT_SECONDS = 10.0
FIRST_TRACE_SECONDS = 11.0
SECOND_TRACE_SECONDS = 7.0
# Assumed: a trace of a few dense layers.
TABLE_TRACE_SECONDS = 1.5
# Assumed: reading the weights, encoding the rows, one checkpoint an epoch, the sealed folder at the end.
TRAIN_FILES_SECONDS = 5.0
ROWS_ENCODED_PER_SECOND = 2_000.0

# Assumed: import of pyarrow, and of Great Expectations with its first suite.
INGEST_START_SECONDS = 3.0
VALIDATE_START_SECONDS = 15.0
INGEST_BYTES_PER_SECOND = 60e6
VALIDATE_BYTES_PER_SECOND = 20e6

# Assumed: the model built again, converted, and both run on the same rows.
EXPORT_SECONDS = 25.0
TABLE_EXPORT_SECONDS = 5.0
# Assumed: ONNX Runtime's and scikit-learn's import; logistic regression on the training rows.
EVALUATE_START_SECONDS = 8.0
BASELINE_ROWS_PER_SECOND = 300.0
LATENCY_REQUESTS = 200

# Assumed: a model server's start with one version loaded.
ROLL_OUT_SECONDS = 15.0
# Size, gate and close on Airflow's side.
SMALL_STEP_SECONDS = 1.0

# The share of the cores that is busy, for the estimate of energy: training and scoring use all of them nearly always.
BUSY_SHARE = 0.95

# Assumed: of a GPU's host, whose fans and supplies follow the GPUs' load too.
GPU_HOST_BUSY_SHARE = 0.5

# Measured: a no-op step as a pod takes this longer than as a process, with its image on the node (make cluster-bench).
POD_START_SECONDS = 3.9
# Measured: the images of data and train, unpacked. Assumed: how fast a node fetches and unpacks them. Most runs find
# them on their node, one in ten does not.
PULLED_BYTES = {"ingest": 0.93e9, "train": 3.65e9}
PULL_BYTES_PER_SECOND = 100e6
# The trainers' default between two checkpoints.
CHECKPOINT_SECONDS = 30.0

# Assumed: a request's parsing, tokens and answer, and its P99 over its P50.
REQUEST_SECONDS = 0.002
REQUEST_P99 = 2.0

# What nine data steps in ten stay under, over the median. Assumed, until runs have been measured.
SECONDS_P90 = 1.6
