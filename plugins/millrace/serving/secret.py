"""A certificate and a token for model servers, where no cert-manager makes them."""

import base64
import secrets
from datetime import UTC, datetime, timedelta

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from millrace.contracts.cluster import Cluster

_DAYS = 365


def serving_secret(cluster: Cluster) -> str:
    """A Secret (YAML): a self-signed certificate for every service of the namespace, its key, its CA and a token."""
    key = ec.generate_private_key(ec.SECP256R1())
    domain = f"{cluster.serving_namespace}.svc"
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"*.{domain}")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=_DAYS))
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName(f"*.{domain}"), x509.DNSName(f"*.{domain}.cluster.local")]),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    public = certificate.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    data = {"tls.crt": public, "tls.key": private, "ca.crt": public, "token": secrets.token_urlsafe(32).encode()}
    manifest = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": cluster.serving_secret, "namespace": cluster.serving_namespace},
        "type": "Opaque",
        "data": {name: base64.b64encode(value).decode() for name, value in data.items()},
    }
    return str(yaml.safe_dump(manifest, sort_keys=False))
