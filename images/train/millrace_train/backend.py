"""Common set-up of Keras and its backend for all steps."""

import os
import warnings
from types import ModuleType
from typing import Literal

_ENVIRONMENT = {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "TF_FORCE_GPU_ALLOW_GROWTH": "true",
}


def load_keras(precision: str = "float32", backend: Literal["tensorflow", "jax"] = "tensorflow") -> ModuleType:
    """Import Keras and set ``precision`` as its dtype policy; the import takes several seconds.

    Automatic numbering of names restarts, so that the variables of a rebuilt model keep their names.
    """
    os.environ["KERAS_BACKEND"] = backend
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    # Keras on TensorFlow triggers this NumPy 2 warning for every variable that it reads.
    warnings.filterwarnings(
        "ignore", message="__array__ implementation doesn't accept a copy", category=DeprecationWarning
    )
    import keras

    keras.utils.clear_session()
    keras.config.set_dtype_policy(precision)
    module: ModuleType = keras
    return module
