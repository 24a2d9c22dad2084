"""What was learned from a want of memory: the worst that was seen."""

from millrace.ledger.ledger import Ledger


def test_the_largest_need_of_memory_is_kept(ledger: Ledger) -> None:
    assert ledger.oom_correction("news", "train") is None
    for need in (200, 300, 100):
        ledger.learn_memory("news", "train", need)
    assert ledger.oom_correction("news", "train") == 300
    assert ledger.oom_correction("news", "validate") is None


def test_the_fewest_rows_are_kept_for_each_hardware(ledger: Ledger) -> None:
    assert ledger.device_rows_correction("news", "small-gpu") is None
    for rows in (16, 8, 32):
        ledger.learn_rows("news", "small-gpu", rows)
    assert ledger.device_rows_correction("news", "small-gpu") == 8
    assert ledger.device_rows_correction("news", "large-gpu") is None
