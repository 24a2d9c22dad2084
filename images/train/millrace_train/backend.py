"""Keras and the backend below it, set up once and the same way for every step."""

import os
import warnings
from types import ModuleType
from typing import Literal

_ENVIRONMENT = {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "TF_FORCE_GPU_ALLOW_GROWTH": "true",
}


def load_keras(precision: str = "float32", backend: Literal["tensorflow", "jax"] = "tensorflow") -> ModuleType:
    """Keras with ``precision`` as its dtype policy; auto-numbered names start again, so that a rebuilt model's
    variables are called what they were. Importing it takes several seconds.
    """
    os.environ["KERAS_BACKEND"] = backend
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    # Keras on TensorFlow reads every variable through a way that NumPy 2 warns about, once a variable.
    warnings.filterwarnings(
        "ignore", message="__array__ implementation doesn't accept a copy", category=DeprecationWarning
    )
    import keras

    keras.utils.clear_session()
    keras.config.set_dtype_policy(precision)
    module: ModuleType = keras
    return module
