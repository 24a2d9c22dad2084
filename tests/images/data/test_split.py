import zlib

import pyarrow as pa
import pytest

from millrace.contracts.data import Split
from millrace.storage.row_keys import key_hashes
from millrace_data.ingest import deal


@pytest.mark.parametrize(
    ("keys", "kind"),
    [
        (["a", "", "ä€😀", "doc-1"], pa.string()),
        ([0, -5, 2**62, 17], pa.int64()),
        ([0.5, 1e20, -0.0, 3.0], pa.float64()),
        ([True, False, True, True], pa.bool_()),
    ],
)
def test_hash_is_the_crc32_of_the_keys_text(keys: list[object], kind: pa.DataType) -> None:
    expected = [zlib.crc32(str(key).encode()) for key in keys]
    assert key_hashes(pa.array(keys, kind)).tolist() == expected
    assert key_hashes(pa.array([keys[0], *keys], kind).slice(1)).tolist() == expected


def test_shares_come_out_as_declared_whatever_the_batches() -> None:
    split = Split(key="id", validation_fraction=0.1, test_fraction=0.2)
    batch = pa.record_batch({"id": pa.array(range(20_000), pa.int64())})
    dealt = deal(batch, split).to_pylist()
    assert dealt == deal(batch.slice(0, 7), split).to_pylist() + deal(batch.slice(7), split).to_pylist()
    assert dealt.count("test") / 20_000 == pytest.approx(0.2, abs=0.02)
    assert dealt.count("validation") / 20_000 == pytest.approx(0.1, abs=0.02)
    share = zlib.crc32(b"123") / 2**32
    assert dealt[123] == ("test" if share < 0.2 else "validation" if share < 0.3 else "train")


def test_no_test_fraction_deals_no_test_rows() -> None:
    split = Split(key="id", validation_fraction=0.1, test_fraction=0)
    dealt = deal(pa.record_batch({"id": pa.array(range(5000), pa.int64())}), split).to_pylist()
    assert set(dealt) == {"train", "validation"}
