"""What the stack of docker-compose.yaml needs once: secrets, a database, a bucket. What is there already stays."""

import json
import os
import secrets
import sys
from collections.abc import Callable
from pathlib import Path

ROOM = Path("/run/millrace")
BUCKET = "millrace"


def make_secrets() -> None:
    """Passwords for PostgreSQL and for the users admin of Airflow and Grafana, and Airflow's own keys, by reader."""
    from cryptography.fernet import Fernet

    password = _once(ROOM / "postgres" / "password", lambda: secrets.token_urlsafe(32))
    _once(ROOM / "airflow" / "passwords.json", lambda: json.dumps({"admin": secrets.token_urlsafe(12)}))
    _once(ROOM / "grafana" / "password", lambda: secrets.token_urlsafe(12))
    database = f"postgresql+psycopg://millrace:{password}@postgres"
    variables = {
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"{database}/airflow",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC": f"{database}/airflow",
        "AIRFLOW__CORE__FERNET_KEY": Fernet.generate_key().decode(),
        "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_urlsafe(48),
        "AIRFLOW__API__SECRET_KEY": secrets.token_urlsafe(48),
        "MILLRACE_LEDGER_URL": f"{database}/{BUCKET}",
    }
    _once(ROOM / "airflow" / "env", lambda: "".join(f"{name}={value}\n" for name, value in variables.items()))


def make_stores() -> None:
    """The ledger's database beside Airflow's, and the bucket."""
    import psycopg
    from botocore.session import get_session
    from psycopg import sql

    url = os.environ["MILLRACE_LEDGER_URL"].replace("+psycopg", "")
    with psycopg.connect(url.rpartition("/")[0] + "/airflow", autocommit=True) as connection:
        if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (BUCKET,)).fetchone() is None:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(BUCKET)))
    get_session().create_client("s3").create_bucket(Bucket=BUCKET)


def _once(file: Path, make: Callable[[], str]) -> str:
    if not file.exists():
        new = file.with_suffix(".new")
        new.touch(mode=0o600)
        new.write_text(make())
        new.replace(file)
    return file.read_text()


if __name__ == "__main__":
    {"secrets": make_secrets, "stores": make_stores}[sys.argv[1]]()
