"""Assignment of rows to train, validation and test by a hash of a key: the same on every machine."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from millrace.contracts.data import Split
from millrace.storage.row_keys import key_hashes
from millrace_data import made
from millrace_data.schema import SPLITS

_TRAIN, _VALIDATION, _TEST = range(3)
_HASHES = 2.0**32
_NAMES = made.words(SPLITS)


def deal(batch: pa.RecordBatch, split: Split) -> pa.StringArray:
    """Return each row's split, by h = CRC-32 of ``str(key)`` / 2**32: test if h < ``test_fraction``, validation if h <
    ``test_fraction`` + ``validation_fraction``, otherwise train. With ``split.column``, rows with "test" there are
    test; of the others, validation if h < ``validation_fraction``. The key and the column must hold no nulls.
    """
    shares = key_hashes(batch.column(split.key)) / _HASHES
    if split.column is None:
        ends = [split.test_fraction, split.test_fraction + split.validation_fraction]
        codes = np.choose(np.searchsorted(ends, shares, side="right"), [_TEST, _VALIDATION, _TRAIN])
        return _NAMES.take(made.numbers(codes))
    dealt = _NAMES.take(made.numbers(np.where(shares < split.validation_fraction, _VALIDATION, _TRAIN)))
    test = _NAMES[_TEST]
    return pc.if_else(pc.equal(batch.column(split.column), test), test, dealt)
