"""Translation of pydantic's validation errors to mistakes in plain words: what is wrong, the rule, the remedy."""

from collections.abc import Mapping
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from millrace.contracts.base import Contract, safe_name
from millrace.contracts.column_types import ALIASES, NAMES, known_type
from millrace.contracts.mistakes import Mistake, MistakesError, Place, closest, meant, written
from millrace.contracts.names import field_name, workload_name

_SHOWN = 60
_KINDS = {
    "string": "a text", "int": "a whole number", "float": "a number", "finite": "a finite number",
    "decimal": "a number", "bool": "True or False", "dict": 'a dict, such as {"dropout": 0.1}',
    "date": "a date, such as date(2026, 1, 31)", "datetime": "a date and time", "time": "a timedelta",
    "timedelta": "a timedelta, such as timedelta(hours=6)", "tuple": 'several values, such as ("a", "b")',
    "list": "several values", "iterable": "several values",
}  # fmt: skip
_BOUNDS = {
    "greater_than": ("more than", "gt"), "greater_than_equal": ("at least", "ge"),
    "less_than": ("less than", "lt"), "less_than_equal": ("at most", "le"),
}  # fmt: skip


def mistakes_of(error: ValidationError, model: type[BaseModel], prefix: Place = ()) -> list[Mistake]:
    """Return every mistake that pydantic found in a document of ``model``, one per place below ``prefix``."""
    found: dict[tuple[Place, str], Mistake] = {}
    details = error.errors(include_url=False)
    misspelt = {_misspelt(each, model) for each in details if each["type"] == "extra_forbidden"}
    for each in details:
        if each["type"] == "missing" and each["loc"] in misspelt:
            continue
        if each["type"] == "too_short" and any(_inside(other["loc"], each["loc"]) for other in details):
            continue  # pydantic does not count invalid items
        inner = each.get("ctx", {}).get("error")
        if isinstance(inner, MistakesError):
            place = (*prefix, *each["loc"])
            several = [Mistake((*place, *one.place), one.what, one.rule, one.remedy) for one in inner.found]
        else:
            several = [_plain(each, model, prefix)]
        for mistake in several:
            key = (mistake.place, "" if mistake.place and inner is None else mistake.what)
            found.setdefault(key, mistake)
    return list(found.values())


def _plain(error: ErrorDetails, model: type[BaseModel], prefix: Place) -> Mistake:
    kind, owner, known = error["type"], *_followed(model, error["loc"])
    place = (*prefix, *(error["loc"] if kind in {"extra_forbidden", "missing"} else known))
    name = str(place[-1]) if place else owner.__name__
    if kind == "extra_forbidden":
        near = meant(name, owner.model_fields, "leave it out")
        return Mistake(place, f"{owner.__name__} has no {name!r}", f"it has {', '.join(owner.model_fields)}", near)
    field = _field(model, known)
    if kind == "missing":
        missed = owner.model_fields.get(name)
        rule = (missed.description if missed else None) or f"{owner.__name__} is not whole without it"
        return Mistake(place, f"{owner.__name__} lacks {name!r}", rule, f"add {name}=…")
    spot = written(place) if place and isinstance(place[-1], int) else name
    what = f"{spot} is {_shown(error['input'])}"
    described = field.description if field and field.description else None
    rule, remedy = _rule(error, field)
    if kind == "value_error":
        what = str(error["ctx"]["error"]) if known else f"{owner.__name__}: {error['ctx']['error']}"
        rule = described or f"what {name} of {owner.__name__} takes" if known else f"what {owner.__name__} takes"
    elif described:
        rule = f"{rule} ({described})"
    return Mistake(place, what, rule, remedy)


def _rule(error: ErrorDetails, field: FieldInfo | None) -> tuple[str, str]:
    kind, given, ctx = error["type"], error["input"], error.get("ctx", {})
    if kind in _BOUNDS:
        words, key = _BOUNDS[kind]
        return f"{words} {ctx[key]}", f"give a value that is {words} {ctx[key]}"
    if kind == "literal_error":
        options = str(ctx["expected"])
        known = [part.strip("' ") for part in options.replace(" or ", ",").split(",")]
        return f"one of {options}", meant(given, known, "use one of them")
    if kind == "string_pattern_mismatch":
        return _pattern(given, ctx)
    if kind in {"too_short", "string_too_short"}:
        return f"at least {ctx['min_length']}", f"give at least {ctx['min_length']}"
    if kind in {"too_long", "string_too_long"}:
        return f"at most {ctx['max_length']}", f"give at most {ctx['max_length']}"
    if kind in {"tuple_type", "list_type"} and isinstance(given, str):
        return _KINDS["tuple"], f'write ("{given}",) with its comma: without it parentheses make no tuple'
    if kind in {"model_type", "model_attributes_type"}:
        return f"a {ctx.get('class_name')}", f"write {ctx.get('class_name')}(…)"
    if kind == "value_error":
        return "", _value_remedy(given, field)
    if kind.startswith("time_delta"):
        return _KINDS["timedelta"], "write timedelta(hours=6) or the like"
    noun = _KINDS.get(kind.split("_")[0], error["msg"])
    return noun, f"give {noun}"


def _pattern(given: object, ctx: Mapping[str, Any]) -> tuple[str, str]:
    pattern = str(ctx["pattern"])
    if pattern.startswith("^[A-Za-z_]"):
        made = field_name(str(given))
        rule = "a column's name has letters, digits and '_', at most 63, and begins with a letter"
        return rule, f'declare name="{made or "column_1"}", source_name="{given}"'
    if "," in pattern:
        return "whole numbers with commas between them, in one text", 'write "64,32" or the like'
    return f"a text that {pattern} describes", "correct it"


def _value_remedy(given: object, field: FieldInfo | None) -> str:
    judges = [getattr(each, "func", None) for each in field.metadata] if field else []
    if known_type in judges:
        near = ALIASES.get(str(given).lower()) or closest(given, NAMES)
        return f"did you mean {near}?" if near else "use one of these types"
    if isinstance(given, (set, frozenset)):
        return f"write {_KINDS['tuple']}"
    if safe_name in judges and (made := workload_name(str(given))):
        return f'"{made}" would do'
    return "correct it as said"


def _inside(inner: Place, outer: Place) -> bool:
    return len(inner) > len(outer) and inner[: len(outer)] == outer


def _misspelt(error: ErrorDetails, model: type[BaseModel]) -> Place:
    owner, _ = _followed(model, error["loc"])
    near = closest(error["loc"][-1], owner.model_fields)
    return (*error["loc"][:-1], near) if near else ()


def _followed(model: type[BaseModel], loc: Place) -> tuple[type[BaseModel], Place]:
    """Return the model that owns the last field, and the part of ``loc`` that consists of fields and indexes."""
    owner, known, annotation = model, [], None  # type: type[BaseModel], list[str | int], Any
    for part in loc:
        inner = _model_in(annotation)
        if inner is not None:
            owner = inner
        if isinstance(part, str) and (annotation is None or inner is not None):
            field = owner.model_fields.get(part)
            if field is None:
                break
            annotation = field.annotation
        elif isinstance(part, str):
            if get_origin(annotation) is not dict:
                break
            annotation = get_args(annotation)[1]
        known.append(part)
    return owner, tuple(known)


def _field(model: type[BaseModel], known: Place) -> FieldInfo | None:
    owner, _ = _followed(model, known)
    named = [part for part in known if isinstance(part, str)]
    return owner.model_fields.get(named[-1]) if named else None


def _model_in(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, Contract):
        return annotation
    if get_origin(annotation) in (Union, UnionType, tuple, list):
        return next((found for each in get_args(annotation) if (found := _model_in(each))), None)
    return None


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
