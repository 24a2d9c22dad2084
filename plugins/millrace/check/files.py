"""Workloads' files together: each on its own, and no name twice."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from millrace.check.evaluate import Evaluated, evaluate
from millrace.check.recorder import Finding


def dag_files(paths: Sequence[Path]) -> list[Path]:
    """The files that are named, and of each folder its Python files."""
    return [file for path in paths for file in (sorted(path.glob("*.py")) if path.is_dir() else [path])]


def check(files: Iterable[Path]) -> tuple[list[Finding], dict[Path, list[str]]]:
    """Every mistake, by file and line, and each file's workloads by name. Runs the files."""
    evaluated: dict[Path, Evaluated] = {file: evaluate(file) for file in files}
    findings: list[Finding] = []
    first: dict[str, tuple[Path, int]] = {}
    for file, found in evaluated.items():
        findings += sorted(found.findings, key=lambda finding: (str(finding.file), finding.line))
        for name, line in found.names:
            other = first.setdefault(name, (file, line))
            if other != (file, line):
                findings.append(
                    Finding(
                        file,
                        line,
                        f"the name {name!r} is taken",
                        f"each workload has its own name; {other[0]}:{other[1]} has this one",
                        "take another name",
                    )
                )
    return findings, {file: [name for name, _ in found.names] for file, found in evaluated.items()}
