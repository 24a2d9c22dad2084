"""What the README says of settings and commands is true."""

import re
from pathlib import Path

from millrace.settings import KubernetesSettings, Settings


def test_the_settings_tables_are_the_settings(repository: Path) -> None:
    rows = re.findall(r"^\| `(MILLRACE_[A-Z_]+)` \| (.+?) \|$", (repository / "README.md").read_text(), re.MULTILINE)
    declared = {
        f"{kind.model_config['env_prefix']}{name}".upper(): field.description
        for kind in (Settings, KubernetesSettings)
        for name, field in kind.model_fields.items()
    }
    assert dict(rows) == declared


def test_every_make_target_that_the_readme_names_exists(repository: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (repository / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"`make ([a-z-]+)", (repository / "README.md").read_text()))
    assert named
    assert named <= targets, f"the README names {named - targets}"
