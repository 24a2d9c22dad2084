"""Signatures of serving targets: write access to the store is not enough to change what is served.

Ed25519 (RFC 8032). The signature also covers the target's URI, so that a target is invalid at any other place.
"""

import base64
import binascii
import os
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import ValidationError

from millrace.contracts.base import Contract
from millrace.contracts.errors import BadInputError, RefusedError

_SEED_BYTES = 32


class SignedDocument(Contract):
    """A signed document, and its signature in base64."""

    document: str
    signature: str


@dataclass(frozen=True)
class SigningKey:
    """Private key with which Airflow signs; steps and model servers do not have it."""

    _private: Ed25519PrivateKey = field(repr=False)

    @classmethod
    def of(cls, text: str) -> Self:
        """Return the key from 32 random bytes in base64. Raises BadInputError for other text, without showing it."""
        try:
            seed = base64.b64decode(text.strip(), validate=True)
        except binascii.Error:
            seed = b""
        if len(seed) != _SEED_BYTES:
            raise BadInputError(
                "the signing key of serving targets is invalid",
                where="MILLRACE_SIGNING_KEY, or signing.key in MILLRACE_HOME",
                rule=f"{_SEED_BYTES} random bytes in base64, the same for all of Airflow's components",
                remedy="head -c 32 /dev/urandom | base64",
            )
        return cls(Ed25519PrivateKey.from_private_bytes(seed))

    @classmethod
    def kept(cls, path: Path) -> Self:
        """Return the key from a file that only its owner can read; the file is created if missing."""
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            with NamedTemporaryFile("w", dir=path.parent, prefix=f".{path.name}-") as made:  # mkstemp's: mode 0600
                made.write(base64.b64encode(os.urandom(_SEED_BYTES)).decode())
                made.flush()
                with suppress(FileExistsError):  # another process created it first
                    os.link(made.name, path)
        return cls.of(path.read_text())

    @property
    def public(self) -> str:
        """Public key that verifies signatures, in base64; not secret."""
        return base64.b64encode(self._private.public_key().public_bytes_raw()).decode()

    def signed(self, uri: str, document: Contract) -> bytes:
        """Return the content of the signed file for a document at ``uri``."""
        text = document.model_dump_json(indent=1)
        signature = base64.b64encode(self._private.sign(_message(uri, text))).decode()
        return SignedDocument(document=text, signature=signature).model_dump_json(indent=1).encode()


def opened(data: bytes, uri: str, public: str) -> str:
    """Return the document (JSON) of a signed file at ``uri``. Raises RefusedError if it was not signed for that URI."""
    try:
        signed = SignedDocument.model_validate_json(data)
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public, validate=True))
        key.verify(base64.b64decode(signed.signature, validate=True), _message(uri, signed.document))
    except (ValidationError, InvalidSignature, ValueError) as error:
        raise RefusedError(
            "the file has no valid signature for its URI",
            where=uri,
            rule="model servers read files that Airflow signed, with the key that they were started with",
            remedy="after an upgrade, or with a new key, run `python -m millrace resume-servers`; else check who may "
            "write to the store, and remove the file: the next rollout, or a roll-back on the page Models, writes it",
        ) from error
    return signed.document


def _message(uri: str, text: str) -> bytes:
    return f"millrace signed document\n{uri}\n{text}".encode()
