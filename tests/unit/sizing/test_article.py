"""The article's two formulas with its own example."""

import doctest

import pytest

from tests.unit.sizing import article


def test_the_example_is_80_capacity_days_and_not_128() -> None:
    days = article.compute_capacity_days(nodes=4, capacity_per_node=4, training_days=4, inference_days=1)
    assert days == 80
    printed = 4 * 4 * (4 * 2 + 4 * 2)
    assert printed == 256  # what the article prints as 128


def test_the_example_is_4_gigabytes() -> None:
    assert article.storage_bytes(nodes=2, factor=1, volume_bytes=2e9) == 4e9


def test_the_docstring_says_where_the_article_is_wrong() -> None:
    for number in ("128", "256", "80"):
        assert number in str(article.__doc__)
    tried, failed = doctest.testmod(article)[1], doctest.testmod(article)[0]
    assert (tried, failed) == (2, 0)


@pytest.mark.parametrize("factor", [0, 1, 2.5])
def test_both_are_linear(factor: float) -> None:
    assert article.compute_capacity_days(factor * 3, 2, 5, 1) == pytest.approx(
        factor * article.compute_capacity_days(3, 2, 5, 1)
    )
    assert article.storage_bytes(3, 2, factor * 7) == pytest.approx(factor * article.storage_bytes(3, 2, 7))
