"""Files beside the code, in a checkout; tests/wheel has the installed package."""

from pathlib import Path

import pytest

from millrace.contracts.errors import BadInputError
from millrace.storage import packaged


def test_a_checkout_is_known_as_one(repository: Path) -> None:
    assert packaged.IS_CHECKOUT
    assert repository == packaged.ROOT
    assert (packaged.SQL / "migrations").is_dir()
    assert (packaged.KUBERNETES / "kustomization.yaml").is_file()


def test_a_linked_package_is_alone_and_follows_a_move(tmp_path: Path, repository: Path) -> None:
    folder = tmp_path / "packages"
    for _ in range(2):
        assert packaged.link_package(folder) == folder
        assert [each.name for each in folder.iterdir()] == ["millrace"]
        assert (folder / "millrace").resolve() == repository / "plugins" / "millrace"
        # another environment's, which is gone
        (folder / "millrace").unlink()
        (folder / "millrace").symlink_to(tmp_path / "gone")


def test_what_only_a_checkout_has_is_refused_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    packaged.require_checkout("the demonstration")
    monkeypatch.setattr(packaged, "IS_CHECKOUT", False)
    with pytest.raises(BadInputError, match="the demonstration is not part of the installed package"):
        packaged.require_checkout("the demonstration")
