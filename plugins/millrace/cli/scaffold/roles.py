"""Guess which columns are target, features and key; a person reviews the guesses."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from millrace.cli.scaffold.column_types import GuessedColumn

_TARGET_NAMES = (
    "target", "label", "labels", "class", "churn", "churned", "outcome", "species", "category", "y", "result",
    "diagnosis", "sentiment", "intent", "topic", "topics", "tags", "survived", "default", "fraud", "spam", "response",
    "status", "quality", "rating", "segment", "decision", "approved", "converted", "exited", "attrition",
)  # fmt: skip
_KEY = re.compile(r"(^|_)(id|key|uuid|guid|number|no|nr|code)$|id$", re.IGNORECASE)
_MOST_LABELS = 50
_MOST_LABELS_OF_A_SET = 200
_ANSWERS = ({"yes", "no"}, {"true", "false"}, {"0", "1"}, {"y", "n"}, {"t", "f"})
_WORDS_OF_A_TEXT, _WORDS_BESIDE_NUMBERS = 4.0, 8.0


@dataclass(frozen=True)
class Roles:
    """Guessed roles. ``targets`` are candidates, the most likely first. Rows are assigned to splits by ``key``;
    ``named`` is true if the key's name looks like a key and its values are unique. ``left_out`` has names and reasons.
    """

    targets: tuple[GuessedColumn, ...]
    features: tuple[str, ...]
    text: bool
    key: GuessedColumn
    named: bool
    left_out: tuple[tuple[str, str], ...]


def labels_of(column: GuessedColumn) -> tuple[str, ...]:
    """Return the sorted labels seen in a column, as a workload declares them."""
    if column.column.type.startswith("list"):
        return tuple(sorted({str(item) for value in column.distinct for item in value if isinstance(value, tuple)}))  # type: ignore[attr-defined]
    if column.column.type == "bool":
        return ("false", "true")
    if column.column.kind.kind == "integer":
        return tuple(str(number) for number in sorted(int(str(value)) for value in column.distinct))
    return tuple(sorted(map(str, column.distinct)))


def guess_roles(columns: Sequence[GuessedColumn], rows: int) -> Roles | None:
    """Guess the columns' roles from ``rows`` rows; None if no column can be a target."""
    candidates = [each for each in columns if _has_labels(each, rows)]
    if not candidates:
        return None
    last = columns[-1]
    targets = sorted(candidates, key=lambda each: _target_score(each, each is last), reverse=True)
    target = targets[0]
    others = [each for each in columns if each is not target]
    key, named = _key(others or list(columns))
    numbers, texts, left_out = [], [], []
    for each in others:
        name, kind = each.column.name, each.column.kind
        why = _no_feature(each, each is key and named)
        if why is None and kind.kind == "string":
            texts.append(each)
        elif why is None:
            numbers.append(name)
        else:
            left_out.append((name, why))
    prose = [each for each in texts if _words(each) >= (_WORDS_BESIDE_NUMBERS if numbers else _WORDS_OF_A_TEXT)]
    if prose or not numbers:
        taken = tuple(each.column.name for each in prose or texts)
        left_out += [(name, "a number, which bert_text_classifier cannot take") for name in numbers]
        left_out += [(each.column.name, "no prose") for each in texts if each.column.name not in taken]
        return Roles(tuple(targets), taken, True, key, named, tuple(left_out))
    left_out += [(each.column.name, "a text, which mlp_classifier cannot take") for each in texts]
    return Roles(tuple(targets), tuple(numbers), False, key, named, tuple(left_out))


def _has_labels(each: GuessedColumn, rows: int) -> bool:
    kind = each.column.kind
    if each.nulls or not each.distinct:
        return False
    if each.column.type == "list<string>":
        return 2 <= len(labels_of(each)) <= _MOST_LABELS_OF_A_SET
    if kind.kind not in {"string", "bool", "integer"} or (kind.kind == "string" and "" in each.distinct):
        return False
    return 2 <= len(each.distinct) <= min(_MOST_LABELS, max(2, rows // 3))


def _target_score(each: GuessedColumn, last: bool) -> tuple[float, float]:
    name = each.column.name.lower()
    score = 4.0 if name in _TARGET_NAMES else 2.0 if set(name.split("_")) & set(_TARGET_NAMES) else 0.0
    score += 1.5 * last
    if each.column.kind.kind in {"string", "bool", "list"}:
        score += 0.5
    if {str(value).lower() for value in each.distinct} in _ANSWERS:
        score += 0.5
    return score, -len(each.distinct)


def _key(columns: Sequence[GuessedColumn]) -> tuple[GuessedColumn, bool]:
    complete = [each for each in columns if not each.nulls and each.column.kind.kind != "list"] or list(columns)
    named = [each for each in complete if each.unique and _KEY.search(each.column.name)]
    whole = [each for each in complete if each.unique and each.column.kind.kind in {"integer", "string"}]
    if named:
        return named[0], True
    return (whole[0] if whole else max(complete, key=lambda each: len(each.distinct))), False


def _no_feature(each: GuessedColumn, is_key: bool) -> str | None:
    kind = each.column.kind
    if is_key:
        return "the key, which says nothing about a row"
    if each.nulls or each.remark == "no value was seen":
        return "values are missing, and features are complete"
    if each.unique and _KEY.search(each.column.name):
        return "another key"
    if kind.kind in {"string", "bool"} or kind.is_number:
        return None
    return f"{each.column.type}, which no trainer takes"


def _words(each: GuessedColumn) -> float:
    texts = [str(value) for value in each.distinct]
    return sum(len(text.split()) for text in texts) / len(texts) if texts else 0.0
