"""On the path of a step that the matrix starts cold: arms the point that its environment names."""

import os

if "FAULT_POINT" in os.environ:
    from matrix.arming import arm_named

    arm_named()
