"""Guess the types of columns from their first values."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from millrace.cli.scaffold.first_rows import FirstRows, FoundColumn
from millrace.contracts.column_types import column_kind
from millrace.contracts.data import Column
from millrace.contracts.names import MAX_LENGTH, field_name

# usual texts for a missing value; in a column of texts "-" and "?" are ambiguous
_NULL_WORDS = frozenset({
    "", " ", "-", "--", "?", ".", "NA", "N/A", "n/a", "na", "#N/A", "#NA", "<NA>", "NULL", "Null", "null", "None",
    "none", "NaN", "nan", "NAN", "-nan", "NaT", "\\N", "(null)", "missing", "unknown",
})  # fmt: skip
_INTEGER = re.compile(r"[ \t]*[+-]?(0|[1-9]\d*)[ \t]*\Z", re.ASCII)
_NUMBER = re.compile(r"[ \t]*[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?[ \t]*\Z", re.ASCII)
_DATE = re.compile(r"\d{4}-\d\d-\d\d\Z", re.ASCII)
_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d(:?\d\d)?)\Z", re.ASCII)
_TRUTH = {"true", "True", "TRUE", "false", "False", "FALSE"}
_INT64, _UINT64 = (-(1 << 63), (1 << 63) - 1), (0, (1 << 64) - 1)


@dataclass(frozen=True)
class GuessedColumn:
    """A column's guessed declaration. ``distinct`` counts its values without nulls; ``nulls`` counts nulls."""

    column: Column
    distinct: Counter[object]
    nulls: int
    remark: str = ""

    @property
    def unique(self) -> bool:
        """Whether at least two values were seen, none of them twice, and none was missing."""
        return not self.nulls and len(self.distinct) > 1 and max(self.distinct.values(), default=0) == 1


@dataclass(frozen=True)
class Guessed:
    """Guessed columns, with the texts that mean null and the decimal mark that they need."""

    columns: tuple[GuessedColumn, ...]
    null_words: tuple[str, ...] = ("",)
    decimal_comma: bool = False


def guess_columns(found: FirstRows) -> Guessed:
    """Guess each column's name, type and whether it has nulls."""
    names = _names([column.name for column in found.columns])
    if found.format not in {"csv", "tsv"}:
        columns = [_of_values(column, name) for column, name in zip(found.columns, names, strict=True)]
        return Guessed(tuple(columns))
    comma = found.dialect.delimiter is not None and _decimal_comma(found.columns)
    words = _null_words(found.columns, comma)
    columns = [_of_texts(column, name, words, comma) for column, name in zip(found.columns, names, strict=True)]
    return Guessed(tuple(columns), words, comma)


def _names(given: Sequence[str]) -> list[str]:
    """Return a valid column name for each text; names are unique without regard to case."""
    made: list[str] = []
    for number, text in enumerate(given, start=1):
        name = plain = field_name(text) or f"column_{number}"
        if plain.lower() in {"split_", "partition_", "content_"}:
            name = plain = f"{plain}arrived"
        for suffix in range(2, len(given) + 2):
            if name.lower() not in {other.lower() for other in made}:
                break
            name = f"{plain[: MAX_LENGTH - 4]}_{suffix}"
        made.append(name)
    return made


def _decimal_comma(columns: Sequence[FoundColumn]) -> bool:
    texts = [str(value) for column in columns for value in column.values]
    commas = sum(bool(re.match(r"[+-]?\d+,\d+\Z", text)) for text in texts)
    points = sum(bool(re.match(r"[+-]?\d+\.\d+\Z", text)) for text in texts)
    return commas > points


def _null_words(columns: Sequence[FoundColumn], comma: bool) -> tuple[str, ...]:
    """Return texts that mean null: the usual ones without which a column has a type other than string."""
    words = {""}
    for column in columns:
        texts = {str(value) for value in column.values}
        strange = texts & _NULL_WORDS
        if strange and _text_type(texts - strange, comma) not in {"string", ""}:
            words |= strange
    return tuple(sorted(words))


def _of_texts(column: FoundColumn, name: str, words: tuple[str, ...], comma: bool) -> GuessedColumn:
    texts = [str(value) for value in column.values]
    present = [text for text in texts if text not in words]
    kind = _text_type(set(present), comma) or "string"
    remark = "" if present else "no value was seen"
    if kind == "string":
        # in a column of texts the empty text is a value; any other null word is null
        present = [text for text in texts if text not in words or not text]
        if not remark:
            remark = _unlike(set(present))
    values = Counter[object](present)
    return _guessed(column, name, kind, values, len(texts) - len(present), remark or _range(present, kind, comma))


def _text_type(texts: set[str], comma: bool) -> str:
    """Return the narrowest type that holds all these texts; "" if there are none."""
    if not texts:
        return ""
    if comma and any("," in text for text in texts) and not any("." in text for text in texts):
        texts = {text.replace(",", ".") for text in texts}
    if all(_INTEGER.match(text) for text in texts):
        return _integer_type(min(map(int, texts)), max(map(int, texts)))
    if all(_NUMBER.match(text) for text in texts):
        # a number with a leading zero is a code, such as a postal code
        coded = any(re.match(r"[ \t]*[+-]?0\d", text) for text in texts)
        return "string" if coded else "float64"
    if texts <= _TRUTH:
        return "bool"
    if all(_DATE.match(text) and _is_date(text) for text in texts):
        return "date"
    return "timestamp" if all(_TIMESTAMP.match(text) for text in texts) else "string"


def _integer_type(least: int, most: int) -> str:
    for kind, (low, high) in (("int64", _INT64), ("uint64", _UINT64)):
        if low <= least and most <= high:
            return kind
    return "string"


def _is_date(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _unlike(texts: set[str]) -> str:
    """Return a remark if all texts look like another type but differ in one respect; else ""."""
    some = [text for text in texts if text.strip()]
    if some and all(re.match(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d", text) for text in some):
        return "times without an offset: a timestamp is written with one, such as Z"
    if some and all(re.match(r"[+-]?0?\d+\Z", text) for text in some):
        return "digits with leading zeros: a code, not a number"
    if some and all(re.match(r"\d{1,3}([.,]\d{3})+([.,]\d+)?\Z", text) for text in some):
        return "numbers with a thousands separator, which is not read"
    if some and all(re.match(r"\d{1,2}[./-]\d{1,2}[./-]\d{2,4}\Z", text) for text in some):
        return "days that are not written as 2026-01-31"
    return ""


def _of_values(column: FoundColumn, name: str) -> GuessedColumn:
    present = [value for value in column.values if value is not None]
    kind = column.type or _json_type(present)
    remark = "" if present else "no value was seen"
    hashable = [tuple(value) if isinstance(value, list) else value for value in present]
    values = Counter[object](value for value in hashable if getattr(value, "__hash__", None) and _hashes(value))
    return _guessed(
        column, name, kind, values, len(column.values) - len(present), remark or _range(present, kind, False)
    )


def _hashes(value: object) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True


def _json_type(values: Sequence[object]) -> str:
    kinds = {type(value) for value in values}
    if kinds == {bool}:
        return "bool"
    if kinds == {int}:
        numbers = [value for value in values if isinstance(value, int)]
        return _integer_type(min(numbers), max(numbers))
    if kinds and kinds <= {int, float}:
        return "float64"
    if kinds == {list}:
        items = [item for value in values if isinstance(value, list) for item in value]
        inner = _json_type(items) if items else "string"
        return f"list<{inner}>"
    return "string"


def _range(values: Sequence[object], kind: str, comma: bool) -> str:
    if not column_kind(kind).is_number or not values:
        return ""
    numbers = [float(str(value).replace(",", ".") if comma else str(value)) for value in values]
    return f"seen: minimum={min(numbers):.10g}, maximum={max(numbers):.10g}"


def _guessed(
    column: FoundColumn, name: str, kind: str, values: Counter[object], nulls: int, remark: str
) -> GuessedColumn:
    source = column.name if column.name != name else None
    declared = Column(name=name, type=kind, source_name=source, nullable=nulls > 0)
    return GuessedColumn(declared, values, nulls, remark)
