"""Every file of the corpus through every reader path: plain and compressed, bearing no bad row, most, or too few."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from millrace.contracts.data import Dialect
from millrace.contracts.errors import BadInputError
from tests.images.data.corpus.case import Case
from tests.images.data.corpus.catalogue import CASES
from tests.images.data.corpus.trial import Trial, staged_rows

BEARING = 0.9
HARDLY_BEARING = 1e-6


PATHS = {"strict": 0.0, "lenient": BEARING, "exceeded": HARDLY_BEARING}


def trials() -> list[object]:
    """Plain files on every path; compressed in turn with gzip and zstd, of which each is read strictly or leniently."""
    found: list[object] = []
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


@pytest.mark.parametrize("share", [0.0, BEARING])
@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("utf-7", b"+2AA-"),
        ("unicode_escape", b"\\ud800"),
        ("raw_unicode_escape", b"\\ud800"),
        ("undefined", b"a"),
        ("punycode", b"a"),
        ("idna", b"a"),
        ("rot13", b"a"),
        ("base64", b"a"),
        ("zlib", b"a"),
    ],
)
def test_a_decoder_that_gives_no_text_is_refused_or_its_row_kept_aside(
    encoding: str, text: bytes, share: float, tmp_path: Path
) -> None:
    try:
        dialect = Dialect(encoding=encoding)
    except ValidationError:
        return
    content = b"id,text,label\n1,a,yes\n7," + text + b",yes\n2,b,no\n"
    trial = Trial(Case(encoding, "csv", content, dialect=dialect), tmp_path, share=share)
    trial.deliver()
    try:
        staged = trial.stage()
    except BadInputError:
        return
    assert (share, staged.bad_rows) == (BEARING, 1)
    assert staged_rows(staged) == [(1, "a", "yes"), (2, "b", "no")]


def test_the_corpus_has_three_hundred_different_files_of_every_format() -> None:
    different = {
        (case.format, case.content, case.endings, repr(case.dialect), repr(case.columns), str(case.dataset))
        for _, case in CASES
    }
    assert len(different) == len(CASES), "a case is there twice"
    assert len(different) >= 300
    assert {case.format for _, case in CASES} == {"jsonl", "csv", "tsv", "parquet"}
