"""Texts of errors, as people see them."""

import pytest

from millrace.contracts.errors import BadInputError, legible
from millrace.contracts.report import ErrorDetail


@pytest.mark.parametrize("text", ["", "plain: größe 🙂", "two\nlines", "x" * 2000])
def test_a_plain_text_stays_as_it_is(text: str) -> None:
    assert legible(text) == text


@pytest.mark.parametrize(
    "text", ["a" * 20_000_000, "\x07\x1b[2J" * 100_000, "\n" * 5000, "\x00" * 1500, "\udcff" * 3000]
)
def test_a_long_one_is_cut_and_control_characters_are_escaped_once(text: str) -> None:
    found = legible(text)
    assert len(found) < 2100
    assert found.replace("\n", "").isprintable()
    assert legible(found) == found


def test_whatever_an_error_names_is_legible_in_its_text_and_its_report() -> None:
    name = "\x1b[2J" * 1_000_000
    error = BadInputError(f"{name} is odd", where=name, rule=name, remedy=name)
    assert len(str(error)) < 10_000
    assert "\x1b" not in str(error)
    given = ErrorDetail.of(error).model_dump() | {"what": name}
    assert "\x1b" not in ErrorDetail.model_validate(given).what
