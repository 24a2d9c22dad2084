"""What every store promises, whoever asks: run in Airflow's environment and in the data image's (make service-test)."""

import hashlib
import os
import resource
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from millrace.contracts.errors import BadInputError, RefusedError
from millrace.contracts.model import FolderManifest
from millrace.storage import files, folders, s3

_ODD = ["a b", "ü", "日本", "a%20b", "a+b", "a&b=c", "*", "[1]", 'q"q', "'", "~", "a,b;c", ".hidden", "x" * 200]
_LARGE_BYTES = 192 << 20
_WRITERS = 8
_ROUNDS = 3


def test_a_file_is_put_whole_listed_read_in_pieces_and_removed(root: str) -> None:
    uri = files.join(root, "run", "spec.json")
    files.write_bytes(uri, b"one")
    files.write_bytes(uri, b"two" * 1_000_000)
    assert files.read_bytes(uri) == b"two" * 1_000_000
    assert b"".join(files.chunks(uri)) == b"two" * 1_000_000
    assert files.size_bytes(uri) == 3_000_000
    assert files.names(files.join(root, "run")) == ["spec.json"]
    assert files.exists(uri)
    assert files.exists(files.join(root, "run"))
    files.delete(uri)
    files.delete(uri)
    assert not files.exists(uri)


def test_a_folder_goes_with_all_that_is_in_it(root: str) -> None:
    for name in ("a", "b"):
        files.write_bytes(files.join(root, "run", name, "file"), b"x")
    files.delete_folder(files.join(root, "run", "a"))
    files.delete_folder(files.join(root, "run", "nothing"))
    assert files.names(files.join(root, "run")) == ["b"]


def test_an_empty_file_is_a_file(root: str) -> None:
    files.write_bytes(files.join(root, "empty"), b"")
    assert files.size_bytes(files.join(root, "empty")) == 0
    assert list(files.chunks(files.join(root, "empty"))) == []


def test_what_is_not_there_is_no_surprise(root: str) -> None:
    nothing = files.join(root, "nothing")
    assert files.names(nothing) == []
    assert not files.exists(nothing)
    files.delete(nothing)
    with pytest.raises(FileNotFoundError):
        files.read_bytes(nothing)
    with pytest.raises(FileNotFoundError):
        files.size_bytes(nothing)
    with pytest.raises(FileNotFoundError):
        list(files.chunks(nothing))


def test_a_file_is_read_from_its_middle(root: str) -> None:
    uri = files.join(root, "numbers")
    files.write_bytes(uri, bytes(range(256)) * 1000)
    system, path = files.locate(uri)
    with system.open_input_file(path) as stream:
        assert stream.size() == 256_000
        stream.seek(255_990)
        assert stream.read(100) == bytes(range(246, 256))
        assert stream.read_at(3, 1) == b"\1\2\3"


def test_odd_names_come_back_as_they_were_given(root: str) -> None:
    with ThreadPoolExecutor(len(_ODD)) as pool:
        list(pool.map(lambda name: files.write_bytes(files.join(root, name), name.encode()), _ODD))
    assert files.names(root) == sorted(_ODD)
    assert [files.read_bytes(files.join(root, name)).decode() for name in _ODD] == _ODD


def test_a_file_in_the_making_is_not_there_and_one_given_up_never_was(root: str) -> None:
    uri = files.join(root, "report.json")
    with files.writing(uri) as stream:
        stream.write(b"x" * (9 << 20))
        assert not files.exists(uri)
    assert files.size_bytes(uri) == 9 << 20
    with pytest.raises(ZeroDivisionError), files.writing(uri) as stream:  # noqa: PT012
        stream.write(b"y" * (9 << 20))
        raise ZeroDivisionError
    assert files.size_bytes(uri) == 9 << 20
    assert next(files.chunks(uri))[:1] == b"x"
    assert files.names(root) == ["report.json"]


def test_a_reader_sees_the_old_file_or_the_new_one_whole(root: str) -> None:
    uri = files.join(root, "status.json")
    often = 8 if root.startswith("hdfs") else 100
    contents = [bytes([number]) * (100_000 + 1_000 * number) for number in range(often)]
    files.write_bytes(uri, contents[0])
    seen, done = set(), threading.Event()

    def read() -> None:
        while not done.is_set():
            seen.add(files.read_bytes(uri))

    with ThreadPoolExecutor(2) as pool:
        readers = [pool.submit(read) for _ in range(2)]
        for content in contents[1:]:
            files.write_bytes(uri, content)
        done.set()
        for reader in readers:
            reader.result()
    assert seen <= set(contents)
    assert len(seen) > 1


_WRITE_SLOWLY = """
import sys, time
from millrace.storage import files
with files.writing(sys.argv[1]) as stream:
    stream.write(b"x" * (20 << 20))
    print("written", flush=True)
    time.sleep(600)
"""


def test_a_writer_that_is_killed_leaves_no_file(root: str) -> None:
    uri = files.join(root, "killed")
    writer = subprocess.Popen([sys.executable, "-c", _WRITE_SLOWLY, uri], stdout=subprocess.PIPE)
    assert writer.stdout is not None
    assert writer.stdout.readline() == b"written\n"
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    assert not files.exists(uri)
    files.write_bytes(uri, b"the next try")
    assert files.read_bytes(uri) == b"the next try"


def test_of_several_who_put_a_file_where_none_is_one_wins(root: str) -> None:
    for number in range(_ROUNDS):
        uri = files.join(root, f"{number}")
        together = threading.Barrier(_WRITERS)

        def put(writer: int, uri: str = uri, together: threading.Barrier = together) -> bool:
            together.wait()
            return files.write_new(uri, f"{writer}".encode())

        with ThreadPoolExecutor(_WRITERS) as pool:
            won = list(pool.map(put, range(_WRITERS)))
        assert won.count(True) == 1
        assert files.read_bytes(uri) == f"{won.index(True)}".encode()
    assert files.names(root) == sorted(f"{number}" for number in range(_ROUNDS))


def test_a_large_file_streams_through_little_memory(root: str) -> None:
    uri = files.join(root, "large")
    program = "import sys; from test_conformance import stream_through; stream_through(sys.argv[1])"
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    answer = subprocess.run(
        [sys.executable, "-c", program, uri],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    digest, grown_bytes = answer.stdout.split()
    assert files.size_bytes(uri) == _LARGE_BYTES
    assert files.sha256(uri) == digest
    assert int(grown_bytes) < _LARGE_BYTES // 2


def stream_through(uri: str) -> None:
    """Write a large file and read it back; prints its digest and by how much the process grew."""
    files.write_bytes(f"{uri}-before", b"x")
    files.read_bytes(f"{uri}-before")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    digest = hashlib.sha256()
    with files.writing(uri) as stream:
        for number in range(_LARGE_BYTES >> 20):
            piece = number.to_bytes(4, "big") * (1 << 18)
            digest.update(piece)
            stream.write(piece)
    if files.sha256(uri) == digest.hexdigest():
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) << 10
        print(digest.hexdigest(), grown)


def test_a_folder_is_sealed_fetched_and_refused_once_it_was_changed(root: str, tmp_path: Path) -> None:
    source = tmp_path / "weights"
    source.write_bytes(b"w" * 20_000_000)
    folder = files.join(root, "model")
    files.put_file(source, files.join(folder, "weights"))
    sha256 = folders.seal(folder, FolderManifest(kind="trained", files=folders.digests(folder)))
    manifest = folders.open_sealed(folder, sha256, FolderManifest)
    local = folders.fetch(folder, list(manifest.files), tmp_path / "fetched")
    assert (local / "weights").read_bytes() == source.read_bytes()
    files.write_bytes(files.join(folder, "weights"), b"v" * 20_000_000)
    with pytest.raises(RefusedError, match="changed"):
        folders.open_sealed(folder, sha256, FolderManifest)


def test_a_base_model_is_brought_in_twice_with_one_digest(root: str, tmp_path: Path) -> None:
    for name in ("config.json", "model.safetensors", "tokenizer.json"):
        (tmp_path / name).write_text(name)
    uri = files.join(root, "base-models", "tiny")
    assert folders.add_base_model(tmp_path, uri) == folders.add_base_model(tmp_path, uri)


def test_a_table_keeps_its_versions(root: str) -> None:
    uri = files.join(root, "table")
    options = s3.delta_options(uri)
    for number in range(3):
        write_deltalake(uri, pa.table({"a": [number]}), mode="overwrite", storage_options=options)
    read = [
        DeltaTable(uri, version=version, storage_options=options).to_pyarrow_dataset().to_table()["a"].to_pylist()
        for version in range(3)
    ]
    assert read == [[0], [1], [2]]


def test_a_path_that_leads_out_is_refused(root: str) -> None:
    with pytest.raises(BadInputError, match=r"\.\."):
        files.write_bytes(f"{root}/../elsewhere", b"x")
