"""Every file of the corpus through every reader path: plain and compressed, bearing no bad row, most, or too few."""

from pathlib import Path

import pytest
from corpus.case import Case
from corpus.catalogue import CASES
from corpus.trial import Trial

BEARING = 0.9
HARDLY_BEARING = 1e-6


PATHS = {"strict": 0.0, "lenient": BEARING, "exceeded": HARDLY_BEARING}


def trials() -> list[object]:
    """Plain files on every path; compressed in turn with gzip and zstd, of which each is read strictly or leniently."""
    found = []
    for number, (theme, case) in enumerate(CASES):
        turns = [(ending, how) for ending in case.endings if ending for how in ("strict", "lenient")]
        plain = [("", "strict"), ("", "lenient"), *([("", "exceeded")] if case.bad else [])]
        chosen = (
            [(case.endings[0], how) for how in ("strict", "lenient")] if case.stored else [*plain, turns[number % 4]]
        )
        for ending, how in chosen:
            name = f"{theme}-{case.name}-{case.format}{ending}-{how}"
            found.append(pytest.param(case, ending, PATHS[how], id=name))
    return found


@pytest.mark.parametrize(("case", "ending", "share"), trials())
def test_a_file_gives_its_rows_or_its_error(case: Case, ending: str, share: float, tmp_path: Path) -> None:
    Trial(case, tmp_path, ending, share).check()


def test_the_corpus_has_three_hundred_different_files_of_every_format() -> None:
    different = {
        (case.format, case.content, case.endings, repr(case.dialect), repr(case.columns), str(case.dataset))
        for _, case in CASES
    }
    assert len(different) == len(CASES), "a case is there twice"
    assert len(different) >= 300
    assert {case.format for _, case in CASES} == {"jsonl", "csv", "tsv", "parquet"}
