"""The rules of the house, kept by tests."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

ALLOWED_FOLDERS = {"dags", "plugins", "images", "sql", "tests", "docs", ".ci"}
EMPTY_NAMES = {"utils.py", "helpers.py", "common.py", "misc.py"}


def tracked(repository: Path, *patterns: str) -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", *patterns],
        cwd=repository,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return [repository / name for name in listed.split("\0") if name and (repository / name).exists()]


def test_the_top_level_holds_the_agreed_folders_only(repository: Path) -> None:
    folders = {path.relative_to(repository).parts[0] for path in tracked(repository) if path.parent != repository}
    assert folders <= ALLOWED_FOLDERS, f"folders that the layout does not have: {folders - ALLOWED_FOLDERS}"
    assert {"dags", "plugins", "images", "sql", "tests"} <= folders


def test_files_are_short_and_named_for_what_they_hold(repository: Path) -> None:
    for path in tracked(repository, "*.py"):
        lines = len(path.read_text().splitlines())
        room = path.relative_to(repository).parts[0]
        limit = {"dags": 60, "tests": 500}.get(room, 400)
        assert lines <= limit, f"{path} has {lines} lines, {limit} at most"
        assert path.name not in EMPTY_NAMES, f"{path}: a name that says nothing"


@pytest.mark.parametrize("room", ["operators", "sensors", "triggers"])
def test_one_public_class_a_file_named_like_it(repository: Path, room: str) -> None:
    suffix = room.removesuffix("s").capitalize()
    files = [
        path
        for path in (repository / "plugins" / "millrace" / "orchestration" / room).glob("*.py")
        if path.name != "__init__.py"
    ]
    assert files
    for path in files:
        classes = [node.name for node in ast.parse(path.read_text()).body if isinstance(node, ast.ClassDef)]
        public = [name for name in classes if not name.startswith("_")]
        words = path.stem.split("_")
        expected = {"".join(map(str.capitalize, words)) + suffix, words[0].capitalize() + "".join(words[1:]) + suffix}
        assert len(public) == 1, f"{path}: {public}"
        assert public[0] in expected, f"{path} holds {public[0]}"


def test_the_plugin_is_the_only_file_that_airflow_executes_by_its_name(repository: Path) -> None:
    ignored = set((repository / "plugins" / ".airflowignore").read_text().split())
    beside = {path.name + "/" * path.is_dir() for path in (repository / "plugins").iterdir()}
    assert {name for name in beside - ignored if not name.startswith((".", "__"))} == {"millrace_plugin.py"}


def test_no_path_of_a_machine_and_no_registry_is_named(repository: Path) -> None:
    forbidden = ["/".join(["", part, ""]) for part in ("work", "root")] + ["pypi." + "org", "python" + "hosted"]
    for path in tracked(repository, "*.py", "*.md", "*.toml", "*.sql", "*.in", "Makefile", ".ci/*", "*.txt"):
        text = path.read_text()
        for word in forbidden:
            assert word not in text, f"{path} names {word}"


def test_only_the_ledger_reads_sql(repository: Path) -> None:
    for path in tracked(repository, "plugins/*.py", "images/*.py", "dags/*.py"):
        if "ledger" not in path.parts:
            # pyspark.sql is a package
            assert not re.search(r"\.sql\b(?!\.|( import))", path.read_text()), (
                f"{path} reads SQL; only the ledger does"
            )


def test_sql_is_one_file_of_statements_for_each_module_that_uses_them(repository: Path) -> None:
    files = [path for path in tracked(repository, "sql/*") if "migrations" not in path.parts]
    assert len(files) <= 20, f"sql/ has {len(files)} files beside its migrations"
    ledger = repository / "plugins" / "millrace" / "ledger"
    for path in (path for path in files if path.parent == repository / "sql"):
        assert (ledger / f"{path.stem}.py").exists(), f"{path} is of no module of the ledger"
        code = (ledger / f"{path.stem}.py").read_text()
        names = re.findall(r"^-- name: (\w+)$", path.read_text(), re.MULTILINE)
        assert names
        for name in names:
            assert f'"{name}"' in code, f"{path}: {name} is not used by the module of that name"


def test_settings_are_read_in_one_place(repository: Path) -> None:
    # s3.py and hdfs.py read the standard variables of AWS and Kerberos, as every client does
    readers = {"settings.py", "local_airflow.py", "local_commands.py", "s3.py", "hdfs.py"}
    for path in tracked(repository, "plugins/*.py", "dags/*.py"):
        if path.name not in readers and "launchers" not in path.parts:
            assert "os.environ" not in path.read_text(), f"{path} reads the environment"
