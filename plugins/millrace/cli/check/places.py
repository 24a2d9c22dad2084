"""Locate the file and line of a DAG file at which a value was written."""

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from millrace.contracts.mistakes import Place

Span = tuple[int | None, int | None, int | None, int | None]


@dataclass(frozen=True)
class Site:
    """Call that made a document: its position, its arguments, and whether it is module-level code (in no function)."""

    file: Path
    line: int
    call: ast.Call | None = None
    given: Mapping[str, object] = field(default_factory=dict)
    of_module: bool = False


class Calls:
    """Index of the calls in a folder's files by their source positions; each file is parsed once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._spans: dict[str, dict[Span, ast.Call]] = {}

    def site(self, frame: FrameType | None) -> Site | None:
        """Return the innermost call on this frame's stack that is in one of the files; None if there is none."""
        while frame is not None:
            name = frame.f_code.co_filename
            if Path(name).parent == self._folder:
                positions = list(frame.f_code.co_positions())
                span = positions[frame.f_lasti // 2]
                of_module = frame.f_code.co_name == "<module>"
                return Site(Path(name), span[0] or frame.f_lineno, self._of(name).get(span), of_module=of_module)
            frame = frame.f_back
        return None

    def _of(self, name: str) -> dict[Span, ast.Call]:
        if name not in self._spans:
            tree = ast.parse(Path(name).read_bytes())
            self._spans[name] = {
                (node.lineno, node.end_lineno, node.col_offset, node.end_col_offset): node
                for node in ast.walk(tree)
                if isinstance(node, ast.Call)
            }
        return self._spans[name]


def locate(document: object, place: Place, sites: Mapping[int, Site]) -> Site:
    """Return the file and line of the value at ``place`` of this document, or of its nearest known parent."""
    site = sites[id(document)]
    node: ast.AST | None = site.call
    line, file, value = site.line, site.file, document
    for part in place:
        node = _child(node, part)
        value = _part(value, part, sites)
        if node is not None:
            line = getattr(node, "lineno", line)
            node = node.value if isinstance(node, ast.keyword) else node
        if (own := sites.get(id(value))) is not None:
            file, line, node = own.file, own.line, own.call
    return Site(file, line)


def passed(document: object, place: Place, sites: Mapping[int, Site]) -> list[object]:
    """Return the values along the path ``place``, beginning with the document; None for a part that does not exist."""
    values = [document]
    for part in place:
        values.append(_part(values[-1], part, sites))
    return values


def _child(node: ast.AST | None, part: str | int) -> ast.AST | None:
    if isinstance(node, ast.Call) and isinstance(part, str):
        return next((keyword for keyword in node.keywords if keyword.arg == part), None)
    if isinstance(node, ast.Dict) and isinstance(part, str):
        found = (
            value
            for key, value in zip(node.keys, node.values, strict=True)
            if isinstance(key, ast.Constant) and key.value == part
        )
        return next(found, None)
    if isinstance(node, ast.Tuple | ast.List) and isinstance(part, int):
        plain = len(node.elts) > part and not any(isinstance(each, ast.Starred) for each in node.elts[: part + 1])
        return node.elts[part] if plain else None
    return None


def _part(value: object, part: str | int, sites: Mapping[int, Site]) -> object:
    site = sites.get(id(value))
    given = site.given if site else value
    try:
        return given[part]  # type: ignore[index]
    except (TypeError, IndexError, KeyError):
        return None
