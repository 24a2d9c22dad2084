"""The stack's secrets and certificates: made once, renewed when they have to be; and what is not opened to others."""

import ssl
import stat
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from cryptography import x509

PLACES = ("postgres", "s3-tls", "prometheus", "grafana", "serving")


@pytest.fixture
def start(repository: Path, tmp_path: Path, load_module: Any, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The program, with its folders in a temporary one."""
    monkeypatch.syspath_prepend(str(repository / "images" / "stack"))
    start: ModuleType = load_module(repository / "images" / "stack" / "first_start.py")
    monkeypatch.setattr(start, "ROOM", tmp_path / "millrace")
    start.ROOM.mkdir()
    for name in ("MILLRACE_BIND", "MILLRACE_UI_TLS", "MILLRACE_HOST_NAMES"):
        monkeypatch.delenv(name, raising=False)
    return start


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def names(folder: Path) -> list[str]:
    known = x509.load_pem_x509_certificate((folder / "tls.crt").read_bytes())
    found = known.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return [str(each.value) for each in found]


def test_secrets_are_made_once_for_their_owner_alone_and_the_authoritys_key_is_in_its_own_folder(
    start: ModuleType,
) -> None:
    start.make_secrets()
    made = contents(start.ROOM)
    start.make_secrets()
    assert contents(start.ROOM) == made
    modes = {name: stat.S_IMODE((start.ROOM / name).stat().st_mode) for name in made}
    others = {name: mode for name, mode in modes.items() if mode != 0o600}
    for_servers = ("serving/ca.crt", "serving/tls.crt", "serving/tls.key", "serving/token")
    assert others == {"trust/ca.crt": 0o644, **dict.fromkeys(for_servers, 0o640)}
    key = (start.ROOM / "authority" / "tls.key").read_bytes()
    assert [name for name, content in made.items() if content == key] == ["authority/tls.key"]


def test_airflow_has_neither_the_others_passwords_nor_a_superusers(start: ModuleType) -> None:
    start.make_secrets()
    ours = b"".join(content for name, content in contents(start.ROOM).items() if name.startswith("airflow/"))
    assert (start.ROOM / "postgres" / "airflow").read_bytes() in ours
    assert (start.ROOM / "postgres" / "ledger").read_bytes() in ours
    for other in ("prometheus/password", "grafana/password"):
        assert (start.ROOM / other).read_bytes() not in ours
    assert sorted(contents(start.ROOM / "postgres")) == ["airflow", "ca.crt", "ledger", "tls.crt", "tls.key"]


def test_the_databases_are_reached_by_tls_alone_and_a_shell_reads_their_urls(start: ModuleType) -> None:
    start.make_secrets()
    file = start.ROOM / "airflow" / "env"
    command = ["bash", "-c", f"set -a; . {file}; exec printenv MILLRACE_LEDGER_URL"]
    shown = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    password = (start.ROOM / "postgres" / "ledger").read_text()
    trust = f"sslmode=verify-full&sslrootcert={start.ROOM}/trust/ca.crt"
    assert shown == f"postgresql+psycopg://ledger:{password}@postgres/millrace?{trust}"


@pytest.mark.parametrize("place", PLACES)
def test_a_client_that_trusts_the_authority_takes_a_parts_certificate(start: ModuleType, place: str) -> None:
    start.make_secrets()
    folder = start.ROOM / place
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context(cafile=str(folder / "ca.crt"))
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    server.load_cert_chain(folder / "tls.crt", folder / "tls.key")
    for name in (names(folder)[0], "localhost", "127.0.0.1"):
        pipes = [ssl.MemoryBIO() for _ in range(4)]
        ends = [
            client.wrap_bio(pipes[0], pipes[1], server_hostname=name),
            server.wrap_bio(pipes[2], pipes[3], server_side=True),
        ]
        done: set[int] = set()
        for _ in range(6):
            for at, end in enumerate(ends):
                try:
                    end.do_handshake()
                    done.add(at)
                except ssl.SSLWantReadError:
                    pass
                other = pipes[2] if at == 0 else pipes[0]
                other.write(pipes[1 if at == 0 else 3].read())
        assert done == {0, 1}, name


def test_a_certificate_is_renewed_for_other_names_and_before_it_ends_and_the_authority_stays(
    start: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    start.make_secrets()
    folder, authority = start.ROOM / "serving", (start.ROOM / "authority" / "ca.crt").read_bytes()
    assert names(folder) == ["machine", "localhost", "127.0.0.1"]
    monkeypatch.setenv("MILLRACE_HOST_NAMES", "airflow_env.example.org, 192.0.2.7")
    start.make_secrets()
    assert names(folder) == ["machine", "localhost", "127.0.0.1", "airflow_env.example.org", "192.0.2.7"]
    before = (folder / "tls.crt").read_bytes()
    later = datetime.now(UTC) + timedelta(days=350)
    monkeypatch.setattr(start, "datetime", SimpleNamespace(now=lambda zone: later))
    start.make_secrets()
    assert (folder / "tls.crt").read_bytes() != before
    assert (start.ROOM / "authority" / "ca.crt").read_bytes() == authority


def test_volumes_of_an_older_stack_are_refused_with_what_to_do(start: ModuleType) -> None:
    (start.ROOM / "postgres").mkdir()
    (start.ROOM / "postgres" / "password").write_text("a superuser's")
    with pytest.raises(SystemExit, match="docker compose down --volumes"):
        start.make_secrets()


def test_prometheus_keeps_its_passwords_hash(start: ModuleType) -> None:
    start.make_secrets()
    web = (start.ROOM / "prometheus" / "web.yaml").read_text()
    assert (start.ROOM / "prometheus" / "password").read_text() not in web
    assert '"admin": "$2b$10$' in web


@pytest.mark.parametrize("address", ["", "127.0.0.1", "127.0.0.53", "::1", "[::1]", "localhost"])
def test_loopback_needs_nothing_more(start: ModuleType, address: str) -> None:
    assert start.refusal({"MILLRACE_BIND": address}) is None


@pytest.mark.parametrize("address", ["0.0.0.0", "192.168.1.4", "::", "[::]", "airflow_env", "127.0.0.1.example.org"])
def test_another_address_needs_tls_and_names(start: ModuleType, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"MILLRACE_BIND": address}
    assert "MILLRACE_UI_TLS=true" in start.refusal(given)
    assert "MILLRACE_HOST_NAMES=" in start.refusal(given)
    tls = {**given, "MILLRACE_UI_TLS": "true"}
    assert "MILLRACE_UI_TLS" not in start.refusal(tls)
    assert "MILLRACE_HOST_NAMES=" in start.refusal(tls)
    assert start.refusal({**tls, "MILLRACE_HOST_NAMES": "airflow_env.example.org"}) is None
    monkeypatch.setenv("MILLRACE_BIND", address)
    with pytest.raises(SystemExit, match="refused: MILLRACE_BIND="):
        start.make_secrets()
    assert contents(start.ROOM) == {}
