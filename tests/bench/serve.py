"""The model server beside bare ONNX Runtime: the same model, tokenizer, threads and texts, in turns in one run.

    PYTHONPATH=plugins:images/serve .venvs/serve/bin/python tests/bench/serve.py --model FILE [--data FOLDER]

``FILE`` is what serve_model.py printed, ``FOLDER`` of data holds the demonstration's documents (JSON Lines). Clients
ask without a pause: of the bare one's side they wait for a pool of as many threads as there are cores, of the server's
they are connections on loopback, whose own work is in the server's figures. Prints a JSON line for each number of
clients and rows a request, and ends with 1 where a bar is missed. The load average stands beside the figures: those of
time mean something where nothing else runs, those of processor time, the server's without its clients', nearly always.
"""

import argparse
import base64
import json
import os
import re
import selectors
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import date
from itertools import count, cycle
from pathlib import Path
from statistics import median

import numpy as np
import onnxruntime as ort
import psutil
from tokenizers import Tokenizer

from millrace.contracts.data import Column, Dataset, Source, Split, Target
from millrace.contracts.measurement import Hardware
from millrace.contracts.model import ModelManifest, ModelVersion
from millrace.contracts.parameters import Parameters
from millrace.contracts.run_spec import RunSpec, ServeTask, TryKey
from millrace.contracts.workload import GatePolicy, ServingPolicy, Training, Workload
from millrace.serving.server_files import ServerFiles
from millrace.storage import files
from millrace.storage.signature import SigningKey

CLIENTS = (1, 8, 64)
ROWS = (1, 8, 32)
P50_DIFFERENCE_AT_MOST_SECONDS = 0.002
THROUGHPUT_AT_LEAST = 0.95
P99_AT_MOST_FAIR_SHARES = 2.0
_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)
CORES = len(os.sched_getaffinity(0))
POLICY = ServingPolicy(max_request_seconds=600)


@dataclass
class Side:
    """What one side did in all its turns."""

    seconds: float = 0.0
    cpu_seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)

    def quantile_ms(self, share: float) -> float:
        """Of the latencies, in milliseconds."""
        return 1000 * sorted(self.latencies)[min(len(self.latencies) - 1, int(share * len(self.latencies)))]

    def cpu_ms(self) -> float:
        """Processor time of a request, in milliseconds; the server's is without the clients'."""
        return 1000 * self.cpu_seconds / len(self.latencies)

    def throughput(self) -> float:
        """Requests a second."""
        return len(self.latencies) / self.seconds


class Bare:
    """Tokenizer and session, called by a pool of threads."""

    def __init__(self, folder: Path, max_length: int) -> None:
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.enable_truncation(max_length)
        self._tokenizer.enable_padding()
        options = ort.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = CORES, 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = ort.InferenceSession(str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"])
        self._pool = ThreadPoolExecutor(CORES)

    def _answer(self, texts: list[str]) -> None:
        found = self._tokenizer.encode_batch_fast(texts)
        ids = np.asarray([encoding.ids for encoding in found], np.int32)
        mask = np.asarray([encoding.attention_mask for encoding in found], np.bool_)
        self._session.run(None, {"token_ids": ids, "padding_mask": mask})

    def turn(self, batches: list[list[str]], clients: int, side: Side) -> None:
        """Each client sends its part of the batches, one after the other."""
        numbers = iter(batches)

        def client(_: int) -> None:
            for texts in numbers:
                began = time.monotonic()
                self._pool.submit(self._answer, texts).result()
                side.latencies.append(time.monotonic() - began)

        began, cpu_began = time.monotonic(), time.process_time()
        with ThreadPoolExecutor(clients) as threads:
            list(threads.map(client, range(clients)))
        side.seconds += time.monotonic() - began
        side.cpu_seconds += time.process_time() - cpu_began


class Connection:
    """A client with as little work of its own as can be."""

    def __init__(self, port: int, side: Side) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._side = side
        self._data = b""
        self._began = 0.0

    def send(self, request: bytes) -> None:
        """Send a request."""
        self._began = time.monotonic()
        self.socket.sendall(request)

    def receive(self) -> bool:
        """Wait for more of the answer; whether it is whole."""
        self._data += self.socket.recv(1 << 16)
        head, found, body = self._data.partition(b"\r\n\r\n")
        if not found and self._data:
            return False
        if not head.startswith(b"HTTP/1.1 200"):
            raise SystemExit(f"the server answered {self._data[:300]!r}")
        if len(body) < int(_LENGTH.search(head)[1]):  # type: ignore[index]
            return False
        self._side.latencies.append(time.monotonic() - self._began)
        self._data = b""
        return True


class Served:
    """The server's process."""

    def __init__(self, port: int, process: int) -> None:
        self._port = port
        self._process = psutil.Process(process)

    def turn(self, batches: list[list[str]], clients: int, side: Side) -> None:
        """As the bare one's, from when all clients are connected."""
        requests = iter([_request(texts) for texts in batches])
        with ExitStack() as stack, selectors.DefaultSelector() as selector:
            opened = [Connection(self._port, side) for _ in range(clients)]
            for connection in opened:
                stack.enter_context(connection.socket)
                selector.register(connection.socket, selectors.EVENT_READ, connection)
            began, cpu_began = time.monotonic(), self._process.cpu_times()
            working = sum(_next(connection, requests) for connection in opened)
            while working:
                ready = opened if clients == 1 else [key.data for key, _ in selector.select()]
                working -= sum(each.receive() and not _next(each, requests) for each in ready)
            side.seconds += time.monotonic() - began
            used = self._process.cpu_times()
        side.cpu_seconds += used.user + used.system - cpu_began.user - cpu_began.system


def _next(connection: Connection, requests: Iterator[bytes]) -> bool:
    """Send the next request; False where there is none."""
    request = next(requests, None)
    if request is not None:
        connection.send(request)
    return request is not None


def _request(texts: list[str]) -> bytes:
    tensor = {"name": "text", "datatype": "BYTES", "shape": [len(texts)], "data": texts}
    body = json.dumps({"inputs": [tensor]}).encode()
    head = f"POST /v2/models/bench/infer HTTP/1.1\r\nHost: bench\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def documents(folder: Path | None) -> list[str]:
    """Texts to ask about; without a folder words of many lengths."""
    if folder is None:
        return [" ".join(f"word{at * 7919 % 997}" for at in range(20 + 13 * number % 120)) for number in range(500)]
    path = sorted(folder.rglob("*.jsonl"))[0]
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line)["text"][:4000] for line, _ in zip(lines, range(500), strict=False)]


@contextmanager
def server(model: ModelVersion, folder: Path) -> Iterator[Served]:
    """A server process with this model."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    server_files = ServerFiles(
        files.to_uri(folder), model.workload, SigningKey.of(base64.b64encode(bytes(32)).decode())
    )
    files.write_bytes(
        server_files.spec_uri, server_files.key.signed(server_files.spec_uri, _spec(model.workload, server_files, port))
    )
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "millrace_serve",
            "--spec",
            server_files.spec_uri,
            "--verify-key",
            server_files.key.public,
        ],
        stdout=subprocess.DEVNULL,
    )
    try:
        server_files.write_target(POLICY, model)
        server_files.wait_for(lambda status: status.state == "ready", "the model", 120)
        yield Served(port, process.pid)
    finally:
        process.terminate()
        process.wait(timeout=60)


def _spec(workload: str, server_files: ServerFiles, port: int) -> RunSpec:
    dataset = Dataset(
        source=Source(uri_template="file:///none/{partition}.jsonl", format="jsonl"),
        columns=(Column(name="text", type="string"), Column(name="labels", type="list<string>")),
        features=("text",),
        target=Target(column="labels", kind="multi_label", labels=("a", "b")),
        split=Split(key="text"),
    )
    return RunSpec(
        key=TryKey(dag_id="bench", run_id="bench", repeat=0, task_id="serve", try_number=1),
        workload=Workload(
            name=workload,
            description="the bench",
            owner="bench",
            team="bench",
            start=date(2026, 1, 1),
            dataset=dataset,
            training=Training(trainer="bert_text_classifier"),
            gate=GatePolicy(quality_floor=0.5),
            serving=POLICY,
        ),
        parameters=Parameters(epochs=1, batch_size=1, learning_rate=0.1),
        hardware=Hardware(
            name="here",
            cores=CORES,
            gflops_per_core=1,
            idle_watts_per_core=1,
            active_watts_per_core=1,
            memory_bytes=1 << 30,
        ),
        attempt_uri=files.join(server_files.uri, "attempt"),
        state_uri=files.join(server_files.uri, "state"),
        task=ServeTask(target_uri=server_files.target_uri, status_uri=server_files.status_uri, port=port),
    )


def case(bare: Bare, served: Served, texts: list[str], clients: int, rows: int, seconds: float) -> dict[str, object]:
    """Both sides in turns, the same batches; the figures, and which bars they miss."""
    endless = cycle(texts)
    sides = {"bare": Side(), "served": Side()}
    turns: dict[str, Callable[[list[list[str]], int, Side], None]] = {"bare": bare.turn, "served": served.turn}
    for turn in turns.values():
        turn([[next(endless) for _ in range(rows)] for _ in range(CORES)], CORES, Side())
    for number in count():
        # short turns: a machine whose speed changes every few seconds is as fast for one side as for the other
        batches = [[next(endless) for _ in range(rows)] for _ in range(max(2 * clients, 32 // rows))]
        order = list(turns) if number % 2 else list(reversed(turns))
        for name in order:
            turns[name](batches, clients, sides[name])
        if number >= 3 and min(side.seconds for side in sides.values()) >= seconds:
            break
    ours, theirs = sides["served"], sides["bare"]
    ratio = ours.throughput() / theirs.throughput()
    difference_ms = 1000 * (median(ours.latencies) - median(theirs.latencies))
    fair_shares = ours.quantile_ms(0.99) / (1000 * clients / ours.throughput())
    missed = [
        *(["p50"] if clients == 1 and difference_ms > 1000 * P50_DIFFERENCE_AT_MOST_SECONDS else []),
        *(["throughput"] if ratio < THROUGHPUT_AT_LEAST else []),
        *(["p99"] if clients == max(CLIENTS) and fair_shares > P99_AT_MOST_FAIR_SHARES else []),
    ]
    return {
        "clients": clients,
        "rows": rows,
        "requests": len(ours.latencies),
        "bare_p50_ms": round(theirs.quantile_ms(0.5), 2),
        "served_p50_ms": round(ours.quantile_ms(0.5), 2),
        "p50_difference_ms": round(difference_ms, 2),
        "bare_requests_per_second": round(theirs.throughput(), 2),
        "served_requests_per_second": round(ours.throughput(), 2),
        "throughput_ratio": round(ratio, 3),
        "served_p99_ms": round(ours.quantile_ms(0.99), 1),
        "p99_fair_shares": round(fair_shares, 2),
        "bare_cpu_ms": round(theirs.cpu_ms(), 2),
        "served_cpu_ms": round(ours.cpu_ms(), 2),
        "load_average": round(os.getloadavg()[0], 1),
        "missed": missed,
    }


def main() -> int:
    """Print a line a case."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--seconds", type=float, default=15.0, help="of each side in each case, at least")
    given = parser.parse_args()
    model = ModelVersion.model_validate_json(given.model.read_text())
    folder = files.local_path(model.uri)
    manifest = ModelManifest.model_validate_json((folder / "manifest.json").read_text())
    texts = documents(given.data)
    bare = Bare(folder, manifest.max_length or 2)
    missed = False
    with tempfile.TemporaryDirectory() as scratch, server(model, Path(scratch)) as served:
        for clients in CLIENTS:
            for rows in ROWS:
                found = case(bare, served, texts, clients, rows, given.seconds)
                missed = missed or bool(found["missed"])
                print(json.dumps(found), flush=True)
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
