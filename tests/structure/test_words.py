"""Documentation uses plain words: private ones that were replaced do not come back."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.structure.test_layout import tracked

# the word that was in use, and what stands for it; names of the code are changed word by word
PLAIN = {
    r"elders?": "earlier runs, earlier attempts",
    r"gangs?": "worker group",
    r"zygotes?": "fork server",
    r"(?:the|this|our) (?:house|trades?)": "code base, package",
    r"offences?|breach(?:es)?": "violation",
    r"sieves?|sift(?:s|ed)?": "filter",
    r"outlooks?": "forecast",
    r"askers?": "client",
    r"nine (?:times )?in ten|nine \w+ in ten": "P90",
    r"once more": "again",
    r"one day or (?:never|not)|one day, or": "eventually",
    r"of late": "recently",
    r"whoever|whosoever": "name the person or the program",
}
WORDS = re.compile(rf"(?<![`\w])(?:{'|'.join(PLAIN)})(?![`\w])", re.IGNORECASE)


def private_words(text: str) -> list[str]:
    return [found.group() for found in WORDS.finditer(re.sub(r"``?[^`]*``?", "", " ".join(text.split())))]


def prose(source: str) -> Iterator[str]:
    """The docstrings and comments of a module, and the texts that describe a setting or an option."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node.value.value
        if isinstance(node, ast.keyword) and node.arg in ("description", "help"):
            yield from (
                part.value
                for part in ast.walk(node.value)
                if isinstance(part, ast.Constant) and isinstance(part.value, str)
            )
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.string


@pytest.mark.parametrize("folder", ["plugins", "images", "dags"])
def test_docstrings_and_comments_use_plain_words(repository: Path, folder: str) -> None:
    found = {
        f"{path.relative_to(repository)}: {word!r}"
        for path in tracked(repository, f"{folder}/*.py")
        for text in prose(path.read_text())
        for word in private_words(text)
    }
    assert not found, f"{sorted(found)}; the plain words: {PLAIN}"


def test_pages_and_statements_use_plain_words(repository: Path) -> None:
    pages = [path for path in tracked(repository, "*.md", "sql/*.sql") if "migrations" not in path.parts]
    assert pages
    found = {f"{path.relative_to(repository)}: {word!r}" for path in pages for word in private_words(path.read_text())}
    assert not found, f"{sorted(found)}; the plain words: {PLAIN}"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("It waits for its elders.", ["elders"]),
        ("Done once\n    more, the servers follow.", ["once more"]),
        ("The field ``gang`` of a spec, `elders`, and gang_job.", []),
        ("An operator's outlook", ["outlook"]),
    ],
)
def test_a_private_word_is_found_and_a_name_is_none(text: str, found: list[str]) -> None:
    assert private_words(text) == found
