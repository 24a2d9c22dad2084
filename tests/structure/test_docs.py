"""What the README and docs/ say of settings, commands, columns and alerts is true; their commands are run somewhere."""

import os
import re
import subprocess
import sys
from pathlib import Path

import sqlalchemy as sa
import yaml

from millrace.ledger.ledger import Ledger

README_LINES = 120
STATUS = r"accepted|amended by \[\d+\]\(\d{4}-[a-z0-9-]+\.md\)|superseded by \[\d+\]\(\d{4}-[a-z0-9-]+\.md\)"

# each command of docs/start, and the text of the file that runs it
RUN_BY = {
    "make demo": (".ci/run", "make demo ROWS="),
    "make down": (".ci/run", "make -s down"),
    "make up": ("tests/bench/five_minutes.py", "workload_commands"),
    "make images": (".ci/run", "make images "),
    "kubectl apply -k images/kubernetes": ("tests/cluster/conftest.py", '"apply", "-k", str(REPOSITORY / "images"'),
    ".venv/bin/python -m millrace serving-secret": ("tests/cluster/conftest.py", "given=serving_secret("),
    "kubectl -n millrace-steps create secret": (
        "tests/cluster/conftest.py",
        'give_secret(namespace, "millrace-storage"',
    ),
    "kubectl -n millrace-serving create secret": (
        "tests/cluster/conftest.py",
        'give_secret(namespace, "millrace-storage"',
    ),
    "export MILLRACE_LAUNCHER=kubernetes": ("tests/cluster/conftest.py", '"MILLRACE_LAUNCHER": "kubernetes"'),
    "export MILLRACE_KUBERNETES_IMAGES=": ("tests/cluster/conftest.py", '"MILLRACE_KUBERNETES_IMAGES"'),
}


def pages(repository: Path) -> list[Path]:
    return [*repository.glob("*.md"), *(repository / "docs").rglob("*.md")]


def fenced(text: str) -> list[str]:
    """The lines of a page's blocks of bash."""
    return [
        line
        for block in re.findall(r"^```bash\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
        for line in block.splitlines()
    ]


def test_the_generated_pages_are_what_the_code_says(repository: Path, tmp_path: Path) -> None:
    without_settings = {key: value for key, value in os.environ.items() if not key.startswith("MILLRACE_")}
    subprocess.run([sys.executable, repository / ".ci/docs/write.py", tmp_path], env=without_settings, check=True)
    written = {path.relative_to(tmp_path): path.read_text() for path in tmp_path.rglob("*.*")}
    assert {Path("operate/settings.md"), Path("reference/cli.md"), Path("reference/metrics.md")} <= set(written)
    for path, text in written.items():
        assert (repository / "docs" / path).read_text() == text, f"docs/{path} is stale: run make docs-pages"


def test_the_readme_is_short(repository: Path) -> None:
    assert len((repository / "README.md").read_text().splitlines()) <= README_LINES


def test_the_readme_has_the_commands_that_the_five_minutes_run(repository: Path) -> None:
    *_, five_minutes = re.findall(
        r"^```bash\n.*?^```", (repository / "README.md").read_text(), re.MULTILINE | re.DOTALL
    )
    assert five_minutes in (repository / "docs/start/first-workload.md").read_text()


def test_every_command_of_start_is_run_by_ci_or_a_named_test(repository: Path) -> None:
    start = repository / "docs" / "start"
    workload = (start / "first-workload.md").read_text()
    assert '"docs" / "start" / "first-workload.md"' in (repository / "tests/bench/five_minutes.py").read_text()
    commands = [line for page in sorted(start.glob("*.md")) for line in fenced(page.read_text())]
    assert commands
    of_workload = set(fenced(workload))
    for command in commands:
        if command in of_workload:  # tests/bench/five_minutes.py runs that page's block itself
            continue
        known = [where for beginning, where in RUN_BY.items() if command.startswith(beginning)]
        assert known, f"docs/start has {command!r}, and nothing is known to run it"
        for file, text in known:
            assert text in (repository / file).read_text(), f"{file} no longer runs {command!r}"


def test_every_make_target_that_a_page_names_exists(repository: Path) -> None:
    known = set(re.findall(r"^([a-z-]+):", (repository / "Makefile").read_text(), re.MULTILINE))
    named = {
        (page.name, name)
        for page in pages(repository)
        for name in re.findall(r"(?:`|^)make ([a-z][a-z-]*)", page.read_text(), re.MULTILINE)
    }
    assert len(named) > 20
    assert not {(page, name) for page, name in named if name not in known}


def test_every_command_of_millrace_that_a_page_names_exists(repository: Path) -> None:
    reference = (repository / "docs" / "reference" / "cli.md").read_text()
    known = set(re.findall(r"^#+ `python -m millrace ([a-z -]+)`$", reference, re.MULTILINE))
    groups = {name.split()[0] for name in known if " " in name}
    named = {
        (page.name, f"{name}{' ' + second if name in groups else ''}".strip())
        for page in pages(repository)
        for name, second in re.findall(r"-m millrace ([a-z][a-z-]*) ?([a-z-]*)", page.read_text())
        if not (name in groups and page.name == "cli.md")  # where a group's own help is
    }
    assert len(named) > 20
    assert not {(page, name) for page, name in named if name not in known}


def test_every_column_of_run_summary_has_its_row(repository: Path, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    Ledger(url).migrate()
    with sa.create_engine(url).connect() as connection:
        columns = list(connection.execute(sa.text("SELECT * FROM run_summary")).keys())
    page = (repository / "docs/reference/run-summary.md").read_text()
    assert re.findall(r"^\| `(\w+)` \| \S", page, re.MULTILINE) == columns


def test_every_alert_has_its_runbook_entry(repository: Path) -> None:
    groups = yaml.safe_load((repository / "images/stack/alerts.yaml").read_text())["groups"]
    alerts = [rule["alert"] for group in groups for rule in group["rules"]]
    page = (repository / "docs/operate/alerts.md").read_text()
    entries = dict(re.findall(r"^## (Millrace\w+)\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL))
    assert alerts
    assert list(entries) == alerts
    for alert, entry in entries.items():
        for part in ("**Meaning.**", "**Find the cause.**", "**Act.**"):
            assert part in entry, f"{alert}: its entry has no {part}"


def test_every_decision_has_its_number_its_status_and_its_place_in_the_index(repository: Path) -> None:
    folder = repository / "docs" / "decisions"
    files = sorted(folder.glob("[0-9]*.md"))
    assert [int(file.name[:4]) for file in files] == list(range(1, len(files) + 1)), (
        "a number is missing or twice there"
    )
    index = (folder / "index.md").read_text()
    for file in files:
        text = file.read_text()
        heading = re.match(rf"# {int(file.name[:4])}\. (\S.*)\n\n\*\*Status:\*\* (?:{STATUS})\n\n\S", text)
        assert heading, f"{file.name}: a heading with its number, then its status"
        assert f"[{heading[1]}]({file.name})" in index, f"{file.name} is not in decisions/index.md: run make docs-pages"
