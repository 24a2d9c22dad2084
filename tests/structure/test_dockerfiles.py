"""The images of steps are built in one way."""

import re
from pathlib import Path

import pytest

VARIANT = ("# cpu: ", "ARG VARIANT=")


def but_for_the_name(file: Path) -> list[str]:
    """A Dockerfile's lines without its image's name and description, and without train's choice of a variant."""
    name = file.parent.name
    text = file.read_text().replace("${VARIANT:+-}${VARIANT}", "").replace(name, "NAME")
    lines = [line for line in text.splitlines() if not line.startswith(VARIANT)]
    return [re.sub(r"^# .* Build from|(?<=image.description=).*", "…", line) for line in lines]


@pytest.mark.parametrize("name", ["train", "serve"])
def test_the_steps_dockerfiles_differ_in_names_alone(repository: Path, name: str) -> None:
    images = repository / "images"
    assert but_for_the_name(images / name / "Dockerfile") == but_for_the_name(images / "data" / "Dockerfile")


def test_every_image_may_be_built_on_another_base_and_runs_as_nobody(repository: Path) -> None:
    files = sorted((repository / "images").glob("*/Dockerfile"))
    assert [file.parent.name for file in files] == ["airflow", "data", "serve", "spark", "stack", "train"]
    for file in files:
        lines = file.read_text().splitlines()
        assert next(line for line in lines if not line.startswith("#")).startswith("ARG BASE_IMAGE=")
        assert "USER 65532:65532" in lines
        assert any(line.startswith("ENTRYPOINT [") for line in lines), f"{file}: a shell would stand before the step"
