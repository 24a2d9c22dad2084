"""No text decides: what a sentence for people says leads nowhere. Codes decide (contracts/reasons.py)."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.structure.test_layout import tracked

# names of texts that are for people, as variables, attributes and columns; and of errors, whose str() is one
PROSE = {
    "about",
    "detail",
    "first_line",
    "message",
    "msg",
    "reason",
    "reasons",
    "remedy",
    "rule",
    "said",
    "told",
    "what",
    "why",
}
ERRORS = {"error", "exc", "exception", "failure", "skip"}
LOOKS = {"startswith", "endswith", "match", "fullmatch", "search", "find", "index", "count"}

_KUBERNETES = "Kubernetes' own codes, which it calls reasons"
# another program's error that has no code, or a name that is no text for people: by file and function
ALLOWED = {
    ("images/data/millrace_data/json_rows.py", "JsonRows._not_json"): "json's error, which has no code",
    ("images/train/millrace_train/device_memory.py", "_exhausted"): "what JAX and CUDA say, which is a code in a text",
    ("images/train/millrace_train/device_memory.py", "device_memory"): "the line of it that people are shown",
    ("images/train/millrace_train/worker_group.py", "Workers.held_together"): "gloo's error, which has no code",
    ("images/train/millrace_train/rows.py", "_open"): "delta-rs' error, which has no code",
    ("plugins/millrace/cli/check/evaluate.py", "_stopped"): "the name of a class of ours in Python's TypeError",
    ("plugins/millrace/launchers/kubernetes.py", "_disruption"): _KUBERNETES,
    ("plugins/millrace/launchers/kubernetes.py", "pod_end"): _KUBERNETES,
    (
        "plugins/millrace/ledger/database.py",
        "Database._translated",
    ): "SQLite has one code for every error of a statement",
    ("plugins/millrace/orchestration/operators/pod_step.py", "_quota_exceeded"): "Kubernetes has no code for a quota",
    ("plugins/millrace/pages/docs.py", "_why_none"): "reasons by task: whether a task has one",
    ("plugins/millrace/runs/report_claims.py", "_same"): "what was reported, beside what was ordered",
    ("plugins/millrace/storage/arrival_manifest.py", "ArrivalManifest.disagreement"): "a figure of a manifest",
    ("plugins/millrace/storage/files.py", "is_full"): "pyarrow's error, where the number is lost",
    ("plugins/millrace/storage/hdfs.py", "_as_os_errors"): "HDFS has no code for a quota",
    ("plugins/millrace/tenancy/manifests.py", "_renamed"): "a rule of a Role",
}


def prose(node: ast.expr) -> bool:
    """Whether an expression is a text for people, or made from one."""
    match node:
        case ast.Name(id=name):
            return name in PROSE
        case ast.Attribute(value=value, attr=name):
            return name in PROSE or (name in ("text", "summary") and (prose(value) or _is_error(value)))
        case ast.Subscript(value=value, slice=ast.Constant(value=str() as key)):
            return key in PROSE
        case ast.Subscript(value=value):
            return prose(value)
        case ast.Call(func=ast.Name(id="str" | "repr"), args=[argument]):
            return _is_error(argument) or prose(argument)
        case ast.Call(func=ast.Attribute(value=value, attr="get"), args=[ast.Constant(value=str() as key), *_]):
            return key in PROSE or prose(value)
        case ast.Call(func=ast.Attribute(value=value)):
            return prose(value)
    return _made_of_prose(node)


def _made_of_prose(node: ast.expr) -> bool:
    match node:
        case ast.JoinedStr(values=values):
            return any(isinstance(each, ast.FormattedValue) and prose(each.value) for each in values)
        case ast.BoolOp(values=values):
            return any(map(prose, values))
        case ast.NamedExpr(target=target, value=value):
            return prose(target) or prose(value)
    return False


def _is_error(node: ast.expr) -> bool:
    match node:
        case ast.Name(id=name):
            return name in ERRORS
        case ast.Attribute(value=value, attr=name):
            return name in ERRORS or _is_error(value)
    return False


def decides(node: ast.AST) -> bool:
    """Whether a text's content leads somewhere here. Whether there is one at all may."""
    match node:
        case ast.Call(func=ast.Attribute(value=value, attr=name), args=arguments) if name in LOOKS:
            return prose(value) or (name in ("match", "fullmatch", "search") and any(map(prose, arguments)))
        case ast.Compare(left=left, ops=operators, comparators=others):
            sides = [left, *others]
            if any(isinstance(side, ast.Constant) and not isinstance(side.value, str) for side in sides):
                return False
            if all(isinstance(each, ast.Eq | ast.NotEq) for each in operators):
                return any(map(prose, sides))
            return any(isinstance(each, ast.In | ast.NotIn) for each in operators) and any(map(prose, sides))
        case ast.Match(subject=subject):
            return prose(subject)
    return False


def found(tree: ast.AST, within: str = "") -> Iterator[tuple[str, int]]:
    """The function, or class, and the line of each decision on a text."""
    for node in ast.iter_child_nodes(tree):
        named = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        inner = f"{within}.{node.name}".lstrip(".") if named else within  # type: ignore[attr-defined]
        if decides(node):
            yield inner, getattr(node, "lineno", 0)
        yield from found(node, inner)


def in_repository(repository: Path) -> dict[tuple[str, str], int]:
    files = tracked(repository, "plugins/*.py", "images/*.py", "dags/*.py")
    return {
        (path.relative_to(repository).as_posix(), name): line
        for path in files
        for name, line in found(ast.parse(path.read_text(encoding="utf-8")))
    }


def test_no_text_decides(repository: Path) -> None:
    ours = in_repository(repository)
    assert len(ours) >= len(ALLOWED)
    new = {where: line for where, line in ours.items() if where not in ALLOWED}
    assert not new, f"a code decides (contracts/reasons.py), and a text explains: {new}"


def test_what_is_allowed_is_there(repository: Path) -> None:
    assert not set(ALLOWED) - set(in_repository(repository)), "leave out what decides on no text any more"


def test_no_statement_and_no_page_decides_on_a_reason(repository: Path) -> None:
    statement = re.compile(r"\breason\s+(LIKE|GLOB|IN|~)|\breason\s*(=|<>|!=)\s*'|SUBSTR\(\w*\.?reason", re.IGNORECASE)
    page = re.compile(r"(?<!for )\breason\s*(==|!=|in\b)")
    statements = [path for path in tracked(repository, "sql/*.sql") if "migrations" not in path.parts]
    pages = list((repository / "plugins/millrace/pages/templates").glob("*.html"))
    assert statements
    assert pages
    assert not [path for path in statements if statement.search(path.read_text())]
    assert not [path for path in pages if page.search(path.read_text())]


@pytest.mark.parametrize(
    "code",
    [
        "if why.startswith('dry run'): pass",
        "state = next((end for said, end in KNOWN.items() if why.startswith(said)), state)",
        "of_team = about.startswith(OVER_TEAM_BUDGET)",
        "found = any(reason.startswith('GPU memory') for reason in unfit)",
        "if (said := trouble()) and 'Crash' in said: pass",
        "if 'exceeded' in str(error): pass",
        "if 'exceeded' in f'{error.what}': pass",
        "if error.what == 'done': pass",
        "if row['reason'] != 'done': pass",
        "if row.get('reason', '').lower() in ENDS: pass",
        "if report.reason[:4] == 'done': pass",
        "if said.text == 'done': pass",
        "if re.match('dry', reason): pass",
        "if PATTERN.search(str(error)): pass",
        "match error.what:\n case 'done': pass",
    ],
)
def test_a_decision_on_a_text_is_found(code: str) -> None:
    assert list(found(ast.parse(code))), "it would have passed"


@pytest.mark.parametrize(
    "code",
    [
        "if reason.code is ReasonCode.DONE: pass",
        "if said is None: pass",
        "if not reason: pass",
        "if row['reason_code'] == 'done': pass",
        "if error.exit_code == 20: pass",
        "text = f'{why.text}; not approved'",
        "for reason in reasons: log(reason)",
        "if name.startswith('try-'): pass",
    ],
)
def test_a_code_may_decide_and_a_text_may_be_shown(code: str) -> None:
    assert not list(found(ast.parse(code)))
