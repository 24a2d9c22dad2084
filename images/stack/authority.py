"""The stack's own certificate authority and the parts' certificates, as files in folders."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from millrace.serving import certificates

AUTHORITY, CERTIFICATE, KEY = "ca.crt", "tls.crt", "tls.key"
_AUTHORITY_DAYS, _DAYS, _RENEWED_DAYS = 3650, 397, 60


def write(file: Path, content: bytes, mode: int = 0o600) -> None:
    """A whole file, with these rights from the moment it has its name."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = file.with_name(f"{file.name}.new")
    new.unlink(missing_ok=True)
    new.touch(mode=0o600)
    new.write_bytes(content)
    new.chmod(mode)
    new.replace(file)


class StackAuthority:
    """Made at the first start; its key stays in its own folder, which no other part has."""

    def __init__(self, folder: Path) -> None:
        if not (folder / KEY).exists():
            made = certificates.Authority.create("Millrace stack", _AUTHORITY_DAYS)
            write(folder / AUTHORITY, made.pem())
            write(folder / KEY, made.key_pem())
        self.pem = (folder / AUTHORITY).read_bytes()
        self._authority = certificates.Authority.load(self.pem, (folder / KEY).read_bytes())

    def certify(self, folder: Path, names: Sequence[str], mode: int = 0o600) -> None:
        """A certificate for these names with its key in a folder, the authority's beside them, in files of ``mode``.

        One that is there stays, unless it has other names, is another authority's, or ends within sixty days.
        """
        write(folder / AUTHORITY, self.pem, mode)
        if self._is_good(folder, names):
            return
        certificate, key = self._authority.issue(names, _DAYS)
        write(folder / KEY, key, mode)
        write(folder / CERTIFICATE, certificate, mode)

    def _is_good(self, folder: Path, names: Sequence[str]) -> bool:
        try:
            known = x509.load_pem_x509_certificate((folder / CERTIFICATE).read_bytes())
            key = serialization.load_pem_private_key((folder / KEY).read_bytes(), None)
            known.verify_directly_issued_by(self._authority.certificate)
        except Exception:  # whatever is wrong with it, a new one is right
            return False
        found = known.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        lasts = known.not_valid_after_utc - datetime.now(UTC) > timedelta(days=_RENEWED_DAYS)
        is_asked_for = list(found) == certificates.alternative_names(names)
        return lasts and is_asked_for and key.public_key() == known.public_key()
