"""Secret with certificate and token for model servers, for a cluster without cert-manager."""

import base64
import secrets
from datetime import UTC, datetime

import yaml

from millrace.contracts.cluster import Cluster
from millrace.serving.certificates import Authority
from millrace.serving.manifests import service_name

_DAYS = 365


def serving_secret(cluster: Cluster, workload: str = "") -> str:
    """Return a Secret (YAML) for the servers of one workload, or for every server of the namespace.

    It has a certificate, its key, the authority's certificate and a token. The authority's key signs this certificate
    and is then dropped, so that a reader of the Secret, such as a server, cannot sign another certificate.
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
