"""What the stack of docker-compose.yaml needs at its start: secrets, certificates, a bucket. What is there stays."""

import ctypes
import ctypes.util
import ipaddress
import json
import os
import secrets
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from millrace.serving import certificates

AUTHORITY, CERTIFICATE, KEY = "ca.crt", "tls.crt", "tls.key"
_AUTHORITY_DAYS, _DAYS, _RENEWED_DAYS = 3650, 397, 60
ROOM = Path("/run/millrace")
_long, _short = partial(secrets.token_urlsafe, 32), partial(secrets.token_urlsafe, 12)
BUCKET = "millrace"
HERE = ("localhost", "127.0.0.1")
GROUP_MAY_READ, ALL_MAY_READ = 0o640, 0o644


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


def refusal(variables: Mapping[str, str]) -> str | None:
    """Why the stack's ports are not opened to others; None where they are not, or may be."""
    address = variables.get("MILLRACE_BIND", "")
    if address in ("", "localhost") or _is_loopback(address):
        return None
    wanted = {
        "MILLRACE_UI_TLS": "MILLRACE_UI_TLS=true, so that no password of Airflow's UI travels in the clear",
        "MILLRACE_HOST_NAMES": "MILLRACE_HOST_NAMES=NAME[,NAME…], the names for certificates that others know this "
        "machine by",
    }
    missing = [words for name, words in wanted.items() if not variables.get(name, "").strip()]
    if not missing:
        return None
    return (
        f"MILLRACE_BIND={address} opens the stack to other machines. Set "
        + ", and ".join(missing)
        + ("; or leave MILLRACE_BIND at 127.0.0.1")
    )


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address.strip("[]")).is_loopback
    except ValueError:
        return False


def make_secrets() -> None:
    """A password, key, token or certificate for each part, in a folder that this part alone has."""
    from cryptography.fernet import Fernet

    if why := refusal(os.environ):
        sys.exit(f"refused: {why}")
    if (ROOM / "postgres" / "password").exists():
        sys.exit(
            "refused: these volumes are an older stack's, whose Airflow is PostgreSQL's superuser and speaks no TLS. "
            "Keep what you need of them, then begin anew: docker compose down --volumes"
        )
    others = [name for each in os.environ.get("MILLRACE_HOST_NAMES", "").split(",") if (name := each.strip())]
    authority = StackAuthority(ROOM / "authority")
    for place, name in {"s3-tls": "s3", **{part: part for part in ("postgres", "prometheus", "grafana")}}.items():
        authority.certify(ROOM / place, [name, *HERE, *others])
    # the group of this folder, which is its files', is that of the user that model servers run as
    authority.certify(ROOM / "serving", ["machine", *HERE, *others], GROUP_MAY_READ)
    write(ROOM / "trust" / AUTHORITY, authority.pem, ALL_MAY_READ)

    passwords = {name: _once(ROOM / "postgres" / name, _long) for name in ("airflow", "ledger")}
    _once(ROOM / "airflow" / "passwords.json", lambda: json.dumps({"admin": _short()}))
    _once(ROOM / "serving" / "token", _long, GROUP_MAY_READ)
    _once(ROOM / "grafana" / "password", _short)
    password = _once(ROOM / "prometheus" / "password", _short)
    write(ROOM / "grafana" / "prometheus-password", password.encode())
    _once(ROOM / "prometheus" / "web.yaml", lambda: _web(password))

    def database(role: str, name: str) -> str:
        trust = f"sslmode=verify-full&sslrootcert={ROOM / 'trust' / AUTHORITY}"
        return f"postgresql+psycopg://{role}:{passwords[role]}@postgres/{name}?{trust}"

    variables = {
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database("airflow", "airflow"),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC": database("airflow", "airflow"),
        "AIRFLOW__CORE__FERNET_KEY": Fernet.generate_key().decode(),
        "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_urlsafe(48),
        "AIRFLOW__API__SECRET_KEY": secrets.token_urlsafe(48),
        "MILLRACE_LEDGER_URL": database("ledger", BUCKET),
    }
    _once(ROOM / "airflow" / "env", lambda: "".join(f"{name}='{value}'\n" for name, value in variables.items()))


def make_stores() -> None:
    """The bucket."""
    from botocore.session import get_session

    get_session().create_client("s3").create_bucket(Bucket=BUCKET)


def _web(password: str) -> str:
    """Prometheus's own web configuration: TLS, and a password that is kept as its hash alone."""
    folder = ROOM / "prometheus"
    web = {
        "tls_server_config": {"cert_file": f"{folder / 'tls.crt'}", "key_file": f"{folder / 'tls.key'}"},
        "basic_auth_users": {"admin": bcrypt(password)},
    }
    return json.dumps(web)


def bcrypt(password: str) -> str:
    """The password's hash, by the system's libcrypt. Raises OSError where that knows no bcrypt."""
    library = ctypes.CDLL(ctypes.util.find_library("crypt") or "libcrypt.so.1")
    library.crypt.restype = ctypes.c_char_p
    library.crypt.argtypes = [ctypes.c_char_p, ctypes.c_char_p]
    letters = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
    # 22 letters hold 128 bits: of the last one two bits count
    salt = "".join(secrets.choice(letters) for _ in range(21)) + secrets.choice(".Oeu")
    made = library.crypt(password.encode(), f"$2b$10${salt}".encode())
    if not made or not made.startswith(b"$2b$10$"):
        raise OSError("libcrypt makes no bcrypt hash")
    return str(made.decode())


def _once(file: Path, make: Callable[[], str], mode: int = 0o600) -> str:
    if not file.exists():
        write(file, make().encode(), mode)
    return file.read_text()


if __name__ == "__main__":
    {"secrets": make_secrets, "stores": make_stores}[sys.argv[1]]()
