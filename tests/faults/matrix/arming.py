"""Arms the point that the environment names: imported by a fork server's child, or by sitecustomize."""

import os
from pathlib import Path

from matrix.catalogue import by_name
from matrix.points import POINT, REACHED, arm


def arm_named() -> None:
    """Nothing where no point is named."""
    name = os.environ.pop(POINT, "")
    if name:
        arm(by_name(name), Path(os.environ.pop(REACHED)))
