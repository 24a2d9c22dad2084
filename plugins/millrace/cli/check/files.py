"""Workloads' files together: each on its own, and no name twice."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from millrace.cli.check.evaluate import Evaluated, evaluate
from millrace.cli.check.recorder import Finding


def dag_files(paths: Sequence[Path]) -> list[Path]:
    """The files that are named, and of each folder its Python files."""
    return [file for path in paths for file in (sorted(path.glob("*.py")) if path.is_dir() else [path])]


@dataclass(frozen=True)
class Checked:
    """Every mistake, by file and line; each file's workloads by name; and what could not be looked at."""

    findings: list[Finding]
    workloads: dict[Path, list[str]]
    remarks: list[str]


def check(files: Iterable[Path]) -> Checked:
    """Look at the files, each on its own and all together. They are run, as Airflow runs them."""
    evaluated: dict[Path, Evaluated] = {file: evaluate(file) for file in files}
    findings: list[Finding] = []
    first: dict[str, tuple[Path, int]] = {}
    for file, found in evaluated.items():
        # what two files import has its mistakes once
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
