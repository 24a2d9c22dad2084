"""Type aliases for objects of libraries without type annotations."""

from typing import Any, TypeAlias

Model: TypeAlias = Any
"""keras.Model"""
Optimizer: TypeAlias = Any
"""keras.optimizers.Optimizer"""
Tensor: TypeAlias = Any
"""A tensor of Keras's backend."""
Matrix: TypeAlias = Any
"""A numpy or scipy.sparse matrix [rows, features]."""
Estimator: TypeAlias = Any
"""A transformer or classifier of scikit-learn."""
Message: TypeAlias = Any
"""A message, or a repeated field, of ONNX's protobuf."""
ArrowDataset: TypeAlias = Any
"""pyarrow.dataset.Dataset"""
ArrowFragment: TypeAlias = Any
"""pyarrow.dataset.ParquetFileFragment"""
