"""Check one DAG file: read it, parse it and execute it with stand-ins for Airflow; an exception is a finding, too."""

import ast
import contextlib
import runpy
import sys
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from millrace.cli.check.places import Site
from millrace.cli.check.recorder import Finding, Recorder
from millrace.cli.check.stand_ins import StandIn, standing_in
from millrace.contracts import data, workload
from millrace.contracts.errors import StepError
from millrace.contracts.mistakes import meant
from millrace.contracts.plain_words import mistakes_of
from millrace.contracts.workload import Workload

_PIPELINE = Path(__file__).parents[2] / "pipeline.py"
_DECLARED = {name: module.__name__ for module in (workload, data) for name in vars(module) if name[0].isupper()}
# Airflow parses a file only if its text has a word of each group (airflow.utils.file)
_WORDS = (b"airflow",), (b"dag", b"asset")


@dataclass(frozen=True)
class Evaluated:
    """Result for one file: its mistakes, and its workloads' names with their lines; both are empty for other files.

    ``remarks`` name what could not be checked.
    """

    findings: list[Finding]
    names: list[tuple[str, int]]
    remarks: list[str] = field(default_factory=list)


def evaluate(file: Path) -> Evaluated:
    """Check one file. It is executed, as Airflow executes it; a file that cannot be read is a finding, too."""
    shown = file
    file = file.resolve()
    recorder = Recorder(file.parent)
    try:
        text = file.read_bytes()
        tree = ast.parse(text, str(file))
    except OSError as error:
        return Evaluated([Finding(shown, 1, str(error.strerror), "a file that can be read", "correct the path")], [])
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None) or 1
        words = getattr(error, "msg", None) or str(error)
        return Evaluated(
            [Finding(shown, line, f"no Python: {words}", "a file that Python reads", "correct the line")], []
        )
    _run(file, recorder)
    whole = Site(file, 1)
    if any(not any(word in text.lower() for word in words) for words in _WORDS):
        recorder.at(
            whole,
            "Airflow will skip this file without a word",
            'it looks only into files whose text has "airflow" and "dag"',
            'begin with a docstring: """Airflow DAG: what it predicts."""',
        )
    for made in recorder.workloads:
        if not recorder.stopped and not any(made is each for each in recorder.built):
            recorder.at(
                recorder.sites[id(made)],
                "this workload has no DAG",
                "build_dag makes one",
                "write dag = build_dag(Workload(…))",
            )
    if not recorder.workloads and not recorder.findings and not _imports_airflow(tree):
        recorder.at(
            whole, "no DAG is declared here", "a workload's file calls build_dag(Workload(…))",
            "`python -m millrace new-workload NAME` writes one",
        )  # fmt: skip
    # a workload that an imported file makes at module level belongs to that file
    own = [made for made in recorder.workloads if "name" in vars(made) and _is_own(recorder.sites[id(made)], file)]
    for made in own:
        _name(file, made, recorder)
    names = [(made.name, recorder.line_of(made, "name")) for made in own]
    return Evaluated([_shown(each, file, shown) for each in recorder.findings], names, recorder.remarks)


def _is_own(site: Site, file: Path) -> bool:
    return site.file == file or not site.of_module


def _shown(finding: Finding, file: Path, shown: Path) -> Finding:
    path = shown if finding.file == file else finding.file
    return Finding(path, finding.line, finding.what, finding.rule, finding.remedy, finding.where)


def _run(file: Path, recorder: Recorder) -> None:
    functions = _functions()
    recorder.takes = functions["build_dag"]
    pipeline: dict[str, Any] = {**dict.fromkeys(functions, StandIn()), "build_dag": recorder.build_dag}
    sys.path.insert(0, str(file.parent))
    try:
        with (
            contextlib.redirect_stdout(sys.stderr),
            standing_in(pipeline),
            recorder.recording(),
        ):
            try:
                runpy.run_path(str(file), run_name=file.stem)
            except (Exception, SystemExit) as error:
                recorder.stopped = True
                _stopped(error, file, recorder)
    finally:
        sys.path.remove(str(file.parent))


def _stopped(error: BaseException, file: Path, recorder: Recorder) -> None:
    """Record the exception that stopped the file, at the line of the file where it was raised."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(file)]
    site = Site(file, (frames[-1].lineno if frames else None) or 1)
    if isinstance(error, NameError) and error.name:
        known = _DECLARED.get(error.name)
        remedy = f"from {known} import {error.name}" if known else meant(error.name, _DECLARED, "define or import it")
        recorder.at(site, f"{error.name} is not defined", "a name is defined or imported before it is used", remedy)
    elif isinstance(error, ImportError):
        _not_imported(error, site, recorder)
    elif isinstance(error, ValidationError):
        for mistake in mistakes_of(error, Workload):
            recorder.at(site, mistake.what, mistake.rule, mistake.remedy)
    elif isinstance(error, StepError):
        recorder.at(site, error.what, error.rule, error.remedy)
    elif StandIn.__name__ in str(error):
        recorder.remarks.append(f"{file}:{site.line}: needs Airflow, which is not imported here: no more was looked at")
    elif not (isinstance(error, AttributeError) and recorder.broken):
        lines = str(error).splitlines()
        recorder.at(
            site,
            f"{type(error).__name__}: {lines[0] if lines else 'no reason given'}",
            "a DAG file runs to its end without an error",
            "correct this line",
        )


def _not_imported(error: ImportError, site: Site, recorder: Recorder) -> None:
    source = ast.parse(site.file.read_bytes())
    for node in ast.walk(source):
        if isinstance(node, ast.ImportFrom) and node.lineno == site.line and node.module == error.name and error.name:
            module = sys.modules.get(error.name)
            for alias in node.names if module else ():
                if not hasattr(module, alias.name):
                    remedy = meant(
                        alias.name, [name for name in vars(module) if not name.startswith("_")], "correct it"
                    )
                    recorder.at(site, f"{error.name} has no {alias.name}", "what is imported is there", remedy)
            if module:
                return
    remedy = "install it into Airflow's environment (requirements.in), or leave it out"
    if (error.name or "").startswith("millrace"):
        modules = [f"millrace.contracts.{name}" for name in ("data", "workload")] + ["millrace.pipeline"]
        remedy = meant(error.name, modules, f"these are there: {', '.join(modules)}")
    recorder.at(site, f"there is no module {error.name!r}", "what is imported is installed", remedy)


def _name(file: Path, made: Workload, recorder: Recorder) -> None:
    name = vars(made).get("name")
    if name is not None and name != file.stem:
        recorder.at(
            Site(file, recorder.line_of(made, "name")),
            f"the workload {name!r} is in {file.name}",
            "a workload is named like its file",
            f'write name="{file.stem}", or call the file {name}.py',
        )


def _imports_airflow(tree: ast.Module) -> bool:
    """Return whether the file imports Airflow and so may define a DAG that is not a workload."""
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        if any(name.split(".")[0] == "airflow" for name in names):
            return True
    return False


def _functions() -> dict[str, list[str]]:
    """Return the names of the pipeline's public functions with their parameters' names."""
    tree = ast.parse(_PIPELINE.read_bytes())
    return {
        node.name: [argument.arg for argument in (*node.args.args, *node.args.kwonlyargs)]
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
    }
