"""What Pod Security's profile "restricted" asks of pods and containers, as Kubernetes spells it."""

from typing import Any

USER = 65532
"""The user and group of every image."""


def pod_security() -> dict[str, Any]:
    """A pod's security context; the group owns its volumes."""
    return {
        "runAsNonRoot": True,
        "runAsUser": USER,
        "runAsGroup": USER,
        "fsGroup": USER,
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def container_security() -> dict[str, Any]:
    """A container's security context, and a root file system that cannot be written."""
    return {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
