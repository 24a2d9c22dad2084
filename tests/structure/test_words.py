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


# words that are no part of a name either
NAMES = frozenset({
    "asker", "breach", "breaches", "closure", "elder", "elders", "gang", "gangs", "lesson", "lessons", "offence",
    "office", "outlook", "outlooks", "plant", "sieve", "zygote", "zygotes",
})  # fmt: skip
_PART = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")


def names(tree: ast.AST) -> Iterator[str]:
    """The names that a module defines: functions, classes, arguments, variables and attributes."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield node.name
            case ast.arg():
                yield node.arg
            case ast.Name(ctx=ast.Store()):
                yield node.id
            case ast.Attribute(ctx=ast.Store()):
                yield node.attr


def private_names(source: str) -> list[str]:
    return [name for name in names(ast.parse(source)) if NAMES & {part.lower() for part in _PART.findall(name)}]


def prose(source: str) -> Iterator[str]:
    """The docstrings, comments and texts of a module, such as its errors and the descriptions of settings."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
            yield node.value
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


@pytest.mark.parametrize("folder", ["plugins", "images", "dags", "tests"])
def test_names_use_plain_words(repository: Path, folder: str) -> None:
    paths = list(tracked(repository, f"{folder}/*.py"))
    assert paths
    found = {f"{path.relative_to(repository)}: {name}" for path in paths for name in private_names(path.read_text())}
    assert not found, sorted(found)


def test_a_private_name_is_found_by_its_parts() -> None:
    source = (
        "class PodGang:\n    def of(self, elder_runs):\n        self.room = breaches = 1\n    explained = plants = 2"
    )
    assert private_names(source) == ["PodGang", "elder_runs", "breaches"]


def test_pages_and_statements_use_plain_words(repository: Path) -> None:
    paths = tracked(repository, "*.md", "sql/*.sql", "plugins/*.html", "images/*.yaml")
    pages = [path for path in paths if "migrations" not in path.parts]
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
