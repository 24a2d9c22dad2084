"""A certificate and a token for model servers, where no cert-manager makes them."""

import base64
import secrets
from datetime import UTC, datetime

import yaml

from millrace.contracts.cluster import Cluster
from millrace.serving.certificates import Authority
from millrace.serving.manifests import service_name

_DAYS = 365


def serving_secret(cluster: Cluster, workload: str = "") -> str:
    """A Secret (YAML) for the servers of one workload, or for every server of the namespace.

    It holds a certificate, its key, the authority that signed it and a token. The authority signs this one certificate
    and its key is dropped, so that nobody who reads the Secret, a server neither, can sign another one.
    """
    domain = f"{cluster.serving_namespace}.svc"
    host = service_name(workload) if workload else "*"
    authority = Authority.create(f"Millrace, {domain}, {datetime.now(UTC):%Y-%m-%d %H:%M:%S}", _DAYS)
    certificate, key = authority.issue([f"{host}.{domain}", f"{host}.{domain}.cluster.local"], _DAYS)
    data = {
        "tls.crt": certificate,
        "tls.key": key,
        "ca.crt": authority.pem(),
        "token": secrets.token_urlsafe(32).encode(),
    }
    manifest = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": cluster.serving_secret, "namespace": cluster.serving_namespace},
        "type": "Opaque",
        "data": {name: base64.b64encode(value).decode() for name, value in data.items()},
    }
    return str(yaml.safe_dump(manifest, sort_keys=False))
