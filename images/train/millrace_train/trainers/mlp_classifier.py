"""Table classifier: dense layers over standardised numeric features."""

import numpy as np

from millrace.contracts.trainers import MlpOptions, numbers
from millrace_train.trainers.shape import ModelShape
from millrace_train.untyped import Model


def build(shape: ModelShape, options: MlpOptions) -> Model:
    """Build a Keras model from ``features`` (float32 [rows, features]), standardised with the training rows' moments.

    A constant feature, or one whose deviation is below the smallest normal float32, is only shifted by its mean. All
    factors are normal floats, because libraries differ in whether they treat subnormal ones as zero.
    """
    import keras

    deviation = np.sqrt(np.asarray(shape.variance))
    smallest = float(np.finfo(np.float32).tiny)
    scale = np.maximum(1.0 / np.where(deviation >= smallest, deviation, 1.0), smallest)
    features = keras.Input((shape.features,), dtype="float32", name="features")
    hidden = keras.layers.Rescaling(
        scale.tolist(), (-np.asarray(shape.mean) * scale).tolist(), dtype="float32", name="standardised"
    )(features)
    for units in numbers(options.hidden):
        hidden = keras.layers.Dense(units, activation="relu")(hidden)
        if options.dropout:
            hidden = keras.layers.Dropout(options.dropout)(hidden)
    activation = "softmax" if shape.single_label else "sigmoid"
    output = keras.layers.Dense(shape.labels, activation=activation, dtype="float32", name="probabilities")(hidden)
    return keras.Model({"features": features}, output)
