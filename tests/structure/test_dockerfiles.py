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


@pytest.mark.parametrize("image", ["data", "train", "serve"])
def test_what_an_image_copies_imports_nothing_that_it_lacks(repository: Path, image: str) -> None:
    text = (repository / "images" / image / "Dockerfile").read_text()
    copied = re.findall(r"^COPY plugins/millrace/(\w+) ", text, re.MULTILINE)
    assert "contracts" in copied
    folders = [*(repository / "plugins" / "millrace" / each for each in copied), repository / "images" / image]
    missing = {
        f"{file.relative_to(repository)}: {name}"
        for folder in folders
        for file in folder.rglob("*.py")
        for names in re.findall(
            r"^\s*(?:from millrace import (.+)|(?:from|import) millrace\.(\w+))", file.read_text(), re.MULTILINE
        )
        for name in re.split(r"\W+", names[0] or names[1])
        if name and name not in copied
    }
    assert missing == set()
