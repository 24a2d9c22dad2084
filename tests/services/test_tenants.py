"""Two teams' users on a real Ceph, under the policy that `millrace tenants policy` prints: each keeps to its own."""

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from millrace.storage import files, s3
from millrace.tenancy.bucket_policy import Tenant, bucket_policy

As = Callable[[str], Any]
_FOLDERS = ("runs", "datasets", "models")


@pytest.fixture(scope="module")
def bucket(create_bucket: Callable[[str], None]) -> Iterator[str]:
    name = f"millrace-tenants-{secrets.token_hex(3)}"
    create_bucket(name)
    yield name
    files.delete_folder(f"s3://{name}/store")
    files.delete_folder(f"s3://{name}/arrivals")
    s3.file_system(f"s3://{name}")
    from millrace.storage import uploads

    uploads.client(f"s3://{name}").delete_bucket(Bucket=name)


@pytest.fixture(scope="module")
def store(bucket: str) -> str:
    return f"s3://{bucket}/store"


@pytest.fixture(scope="module")
def acting(bucket: str, store: str, ceph_user: Any, ceph_owner: str, put_policy: Any) -> As:
    """What a block does is done by one of the two teams' users, or by the owner of all (Airflow's user)."""
    mark = secrets.token_hex(3)
    users = {
        f"{role}-{team}": ceph_user(f"{mark}-{role}-{team}")
        for role in ("steps", "servers")
        for team in ("red", "blue")
    }
    tenants = [
        Tenant(team, (f"{team}_one",), (f"s3://{bucket}/arrivals/{team}_one/{{partition}}.csv",))
        for team in ("red", "blue")
    ]
    put_policy(
        bucket, bucket_policy(tenants, store, bucket, f"arn:aws:iam:::user/{mark}-{{role}}-{{team}}", ceph_owner)
    )
    for team in ("red", "blue"):
        for folder in (*_FOLDERS, "serving"):
            files.write_bytes(f"{store}/{folder}/{team}_one/there", team.encode())
        files.write_bytes(f"s3://{bucket}/arrivals/{team}_one/2026-01-01.csv", team.encode())
    files.write_bytes(f"{store}/base-models/small/config.json", b"{}")

    @contextmanager
    def act(user: str) -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in users[user].items():
                patch.setenv(name, value)
            yield

    return act


def refused(what: Callable[[], Any]) -> bool:
    """Whether the store says 403: not that nothing is there."""
    try:
        what()
    except FileNotFoundError:
        return False
    except OSError as error:
        return "ACCESS_DENIED" in str(error) or "AccessDenied" in str(error) or "403" in str(error)
    except Exception as error:  # delta-rs has errors of its own
        return "403" in str(error) or "Forbidden" in str(error) or "AccessDenied" in str(error)
    return False


@pytest.mark.parametrize("folder", _FOLDERS)
def test_a_team_has_its_own_prefix_and_no_other(acting: As, store: str, folder: str) -> None:
    own, others = f"{store}/{folder}/red_one", f"{store}/{folder}/blue_one"
    with acting("steps-red"):
        assert files.read_bytes(f"{own}/there") == b"red"
        files.write_bytes(f"{own}/more", b"x" * (9 << 20))
        assert files.names(own) == ["more", "there"]
    # in Ceph a file is its writer's: Airflow reads a step's report all the same
    assert len(files.read_bytes(f"{own}/more")) == 9 << 20
    with acting("servers-red" if folder == "models" else "steps-red"):
        assert files.exists(f"{own}/more")
    with acting("steps-red"):
        files.delete(f"{own}/more")
        assert not files.exists(f"{own}/more")
        with pytest.raises(FileNotFoundError):
            files.read_bytes(f"{own}/never")
        assert refused(lambda: files.read_bytes(f"{others}/there"))
        assert refused(lambda: files.write_bytes(f"{others}/there", b"red"))
        assert refused(lambda: files.write_bytes(f"{others}/new", b"red"))
        assert refused(lambda: files.names(others))
        assert refused(lambda: list(files.walk(store)))
        assert refused(lambda: files.delete(f"{others}/there"))
    assert files.read_bytes(f"{others}/there") == b"blue"


def test_steps_take_orders_of_servers_from_nobody(acting: As, store: str) -> None:
    with acting("steps-red"):
        for team in ("red", "blue"):
            order = f"{store}/serving/{team}_one/there"
            assert refused(partial(files.read_bytes, order))
            assert refused(partial(files.write_bytes, order, b"{}"))


def test_servers_read_their_own_orders_and_models_and_write_nothing(acting: As, store: str) -> None:
    with acting("servers-red"):
        for folder in ("serving", "models"):
            assert files.read_bytes(f"{store}/{folder}/red_one/there") == b"red"
            assert refused(partial(files.write_bytes, f"{store}/{folder}/red_one/there", b"x"))
            assert refused(partial(files.read_bytes, f"{store}/{folder}/blue_one/there"))
        assert refused(lambda: files.read_bytes(f"{store}/datasets/red_one/there"))


def test_arrivals_and_base_models_are_read_only(acting: As, bucket: str, store: str) -> None:
    with acting("steps-red"):
        assert files.read_bytes(f"s3://{bucket}/arrivals/red_one/2026-01-01.csv") == b"red"
        assert files.names(f"s3://{bucket}/arrivals/red_one") == ["2026-01-01.csv"]
        assert refused(lambda: files.read_bytes(f"s3://{bucket}/arrivals/blue_one/2026-01-01.csv"))
        assert refused(lambda: files.write_bytes(f"s3://{bucket}/arrivals/red_one/2026-01-01.csv", b"x"))
        assert files.read_bytes(f"{store}/base-models/small/config.json") == b"{}"
        assert refused(lambda: files.write_bytes(f"{store}/base-models/small/config.json", b"x"))


def test_a_table_is_the_teams_own(acting: As, store: str) -> None:
    """delta-rs asks for files that may not be there: it has to hear that they are not, and not that it may not."""
    rows = pa.table({"a": [1, 2, 3]})
    uri = f"{store}/datasets/red_one/table"
    with acting("steps-red"):
        for _ in range(2):
            write_deltalake(uri, rows, mode="append", storage_options=s3.delta_options(uri))
        assert DeltaTable(uri, storage_options=s3.delta_options(uri)).version() == 1
    with acting("steps-blue"):
        assert refused(lambda: DeltaTable(uri, storage_options=s3.delta_options(uri)))
        assert refused(lambda: write_deltalake(uri, rows, mode="append", storage_options=s3.delta_options(uri)))


def test_the_policy_itself_is_the_owners(acting: As, bucket: str) -> None:
    from millrace.storage import uploads

    with acting("steps-red"):
        client = uploads.client(f"s3://{bucket}")
        for what in (client.get_bucket_policy, client.delete_bucket_policy):
            assert refused(partial(what, Bucket=bucket))


def test_several_files_deleted_at_once_are_the_teams_own(acting: As, bucket: str, store: str) -> None:
    from millrace.storage import uploads

    files.write_bytes(f"{store}/runs/red_one/state/one", b"x")
    with acting("steps-red"):
        keys = [f"store/runs/{team}_one/{name}" for team, name in (("red", "state/one"), ("blue", "there"))]
        uploads.client(f"s3://{bucket}").delete_objects(
            Bucket=bucket, Delete={"Objects": [{"Key": key} for key in keys]}
        )
    assert not files.exists(f"{store}/runs/red_one/state/one")
    assert files.read_bytes(f"{store}/runs/blue_one/there") == b"blue"
