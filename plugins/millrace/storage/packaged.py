"""Paths of the files that the code needs beside its modules, in a checkout and in an installed wheel.

``ROOT`` is the checkout's root (in a container image: a folder with the same layout), or the folder of the wheel with
that layout: both have ``sql``, ``dags`` and ``images`` with the same names below them.
"""

import os
from pathlib import Path

from millrace.contracts.errors import BadInputError

_PACKAGE = Path(__file__).resolve().parents[1]
_AROUND = _PACKAGE.parents[1]
_WHEEL = _PACKAGE / "_files"

IS_CHECKOUT = not _WHEEL.is_dir()
ROOT = _AROUND if IS_CHECKOUT else _WHEEL
SQL = ROOT / "sql"
DAGS = ROOT / "dags"
IMAGES = ROOT / "images"
KUBERNETES = IMAGES / "kubernetes"


def link_package(folder: Path) -> Path:
    """Link the package millrace into ``folder``, and nothing else; return ``folder``. Safe for concurrent processes."""
    link = folder / _PACKAGE.name
    if not link.is_symlink() or link.readlink() != _PACKAGE:
        folder.mkdir(parents=True, exist_ok=True)
        own = folder / f".{os.getpid()}"
        own.unlink(missing_ok=True)
        own.symlink_to(_PACKAGE)
        own.replace(link)
    return folder


def require_checkout(what: str) -> None:
    """Raise BadInputError in an installed wheel: ``what`` needs files that only the repository has."""
    if not IS_CHECKOUT:
        raise BadInputError(
            f"{what} is not part of the installed package",
            where=str(_PACKAGE),
            rule="it needs the repository's own files",
            remedy="run it in a checkout of the repository, after `make setup`",
        )
