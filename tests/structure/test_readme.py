"""What the README says of settings and commands is true."""

import re
from pathlib import Path

from millrace.settings import Settings


def test_the_settings_table_is_the_settings(repository: Path) -> None:
    rows = re.findall(r"^\| `MILLRACE_([A-Z_]+)` \| (.+?) \|$", (repository / "README.md").read_text(), re.MULTILINE)
    documented = {name.lower(): text for name, text in rows}
    declared = {name: field.description for name, field in Settings.model_fields.items()}
    assert documented == declared


def test_every_make_target_that_the_readme_names_exists(repository: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (repository / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"`make ([a-z-]+)", (repository / "README.md").read_text()))
    assert named
    assert named <= targets, f"the README names {named - targets}"
