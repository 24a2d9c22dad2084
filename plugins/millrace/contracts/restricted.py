"""Security contexts that Kubernetes' Pod Security profile "restricted" requires of pods and containers."""

from typing import Any

USER = 65532
"""User and group id of every image."""


def pod_security() -> dict[str, Any]:
    """Return a pod's security context; the group owns the pod's volumes."""
    return {
        "runAsNonRoot": True,
        "runAsUser": USER,
        "runAsGroup": USER,
        "fsGroup": USER,
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def container_security() -> dict[str, Any]:
    """Return a container's security context, with a read-only root file system."""
    return {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
