"""Arms the point that the environment names: imported by a zygote's child, and by sitecustomize in a cold process."""

import os
from pathlib import Path

from matrix.catalogue import by_name
from matrix.points import POINT, REACHED, arm


def arm_named() -> None:
    """Nothing where no point is named."""
    name = os.environ.pop(POINT, "")
    if name:
        arm(by_name(name), Path(os.environ.pop(REACHED)))
