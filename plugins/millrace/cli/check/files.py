"""Check several workload files: each alone, and that no two workloads have the same name."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from millrace.cli.check.evaluate import Evaluated, evaluate
from millrace.cli.check.recorder import Finding


def dag_files(paths: Sequence[Path]) -> list[Path]:
    """Return the given files, with each folder replaced by its Python files (not those of its subfolders)."""
    return [file for path in paths for file in (sorted(path.glob("*.py")) if path.is_dir() else [path])]


@dataclass(frozen=True)
class Checked:
    """Result of a check: all mistakes by file and line, the workloads' names by file, and what could not be checked."""

    findings: list[Finding]
    workloads: dict[Path, list[str]]
    remarks: list[str]


def check(files: Iterable[Path]) -> Checked:
    """Check each file, and that names of workloads are unique. The files are executed, as Airflow executes them."""
    evaluated: dict[Path, Evaluated] = {file: evaluate(file) for file in files}
    findings: list[Finding] = []
    first: dict[str, tuple[Path, int]] = {}
    for file, found in evaluated.items():
        # a mistake in a module that several files import is reported once
        new = [finding for finding in found.findings if finding not in findings]
        findings += sorted(new, key=lambda finding: (str(finding.file), finding.line))
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
    return Checked(
        findings,
        {file: [name for name, _ in found.names] for file, found in evaluated.items()},
        [remark for found in evaluated.values() for remark in found.remarks],
    )
