"""The CPU grid's committed measurements keep their bars; `make accuracy` prints the table."""

from collections.abc import Callable
from types import ModuleType

import pytest


@pytest.fixture
def cpu(accuracy: Callable[[str], ModuleType]) -> ModuleType:
    return accuracy("cpu")


def test_the_left_out_half_is_predicted_by_what_the_other_half_teaches(
    cpu: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cpu.main() == 0, capsys.readouterr().out


def test_the_grid_has_two_families_and_its_corners_are_judged(cpu: ModuleType) -> None:
    cases = cpu.read()
    halves = [[case for case in cases if case.split == split] for split in ("calibrate", "judge")]
    assert [len(half) for half in halves] == [18, 18]
    assert {case.family for case in cases} == set(cpu.FAMILIES)
    for family in cpu.FAMILIES:
        known, judged = ([case.seconds for case in half if case.family == family] for half in halves)
        assert min(judged) < min(known)
        assert max(judged) > max(known)
        assert sum(case.first for case in cases if case.family == family) == 3
