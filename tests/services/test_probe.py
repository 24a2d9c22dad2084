"""What a probe finds out, and how datasets are committed because of it."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from millrace.ledger.ledger import Ledger
from millrace.storage import files, s3
from millrace.storage.probe import probe

_WRITERS = 6


def unconditional(_method: str, headers: dict[str, str]) -> dict[str, str]:
    """A store that knows no condition and says yes to everyone."""
    return {name: value for name, value in headers.items() if name not in ("if-none-match", "if-match")}


def test_a_real_store_is_found_exclusive_and_left_as_it_was(root: str) -> None:
    traits = probe(root, rounds=2)
    assert traits.exclusive, traits.remarks
    assert traits.means == ("conditional_put" if root.startswith("s3") else "rename")
    assert files.names(files.join(root, ".probe")) == []


def test_a_store_that_lies_is_found_out(s3_uri: str, s3_proxy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with s3_proxy(unconditional) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        traits = probe(s3_uri, rounds=2)
    assert not traits.exclusive
    assert (traits.keeps_what_is_there, traits.one_wins, traits.lists_at_once) == (False, False, True)
    assert any("were told that they had won" in remark for remark in traits.remarks)


class OneLiar:
    """Knows the condition, but forgets it when several ask at once."""

    def __init__(self) -> None:
        self._asking = 0
        self._lock = threading.Lock()

    def __call__(self, method: str, headers: dict[str, str]) -> dict[str, str]:
        if "if-none-match" not in headers:
            return headers
        with self._lock:
            self._asking += 1
        time.sleep(0.2)
        with self._lock:
            several = self._asking > 1
        time.sleep(0.2)
        with self._lock:
            self._asking -= 1
        return unconditional(method, headers) if several else headers


def test_a_store_that_lies_in_a_race_only_is_found_out(
    s3_uri: str, s3_proxy: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with s3_proxy(OneLiar()) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        traits = probe(s3_uri, rounds=1)
    assert (traits.keeps_what_is_there, traits.one_wins) == (True, False)


def test_in_a_store_that_lies_the_ledger_decides_and_no_commit_is_lost(
    s3_uri: str, s3_proxy: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = Ledger(f"sqlite:///{tmp_path}/ledger.db")
    ledger.migrate()
    table = f"{s3_uri}/table"
    with s3_proxy(unconditional) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        ledger.record_store(probe(s3_uri, rounds=1))
        options = s3.delta_options(table)
        write_deltalake(table, pa.table({"writer": pa.array([], pa.int64())}), storage_options=options)
        together = threading.Barrier(_WRITERS)

        def commit(writer: int) -> None:
            day = date(2026, 1, 1 + writer)
            given: dict[str, Any] = {"workload": "news", "team": "core", "site": "local", "run_type": "backfill"}
            repeat = ledger.open_run("dag", f"run-{writer}", partition_first=day, partition_last=day, **given)
            together.wait()
            while not ledger.take_commit_lock("dag", f"run-{writer}", repeat, table):
                time.sleep(0.02)
            write_deltalake(table, pa.table({"writer": [writer]}), mode="append", storage_options=options)
            ledger.close_run("dag", f"run-{writer}", repeat, state="success", reason="done")

        with ThreadPoolExecutor(_WRITERS) as pool:
            list(pool.map(commit, range(_WRITERS)))
        found = DeltaTable(table, storage_options=options)
        assert found.version() == _WRITERS
        assert sorted(found.to_pyarrow_table()["writer"].to_pylist()) == list(range(_WRITERS))
