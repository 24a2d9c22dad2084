"""Tiny sealed models, written as ONNX bytes by hand, and real server processes that serve them.

The ``onnx`` package is not in the serve image, so the few protobuf messages of onnx.proto that these graphs need are
encoded here. Feature ``a`` of the tabular models drives the faults: from ``ERRS_FROM`` upwards a model built with
``fault="errs"`` reads past a table's end, and one built with ``fault="slow"`` goes round a loop.
"""

import base64
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509

from millrace.contracts.data import Column, Dataset, DatasetVersion, Source, Split, Target
from millrace.contracts.measurement import Hardware
from millrace.contracts.model import ModelManifest, ModelVersion
from millrace.contracts.parameters import Parameters
from millrace.contracts.run_spec import RunSpec, ServeTask, TryKey
from millrace.contracts.serving import ServingStatus
from millrace.contracts.workload import GatePolicy, ServingPolicy, Training, Workload
from millrace.serving.process_traffic import ProcessTraffic
from millrace.serving.rollout import Rollout
from millrace.serving.server_files import ServerFiles
from millrace.serving.traffic import Replacement
from millrace.storage import files, folders
from millrace.storage.signature import SigningKey
from tests.certificates import self_signed

FLOAT, INT32, INT64, BOOL = 1, 6, 7, 9
ERRS_FROM = 1000.0
TENTH = 150_000  # rounds of the slow model's loop: about a tenth of a second on one core
KEY = SigningKey.of(base64.b64encode(bytes(32)).decode())
LABELS = ("red", "green", "blue")
WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "red", "green", "blue")


def _varint(number: int) -> bytes:
    number &= (1 << 64) - 1
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def message(*fields: tuple[int, Any]) -> bytes:
    """A protobuf message: ints as varints, floats as 32 bits, text and bytes with their length."""
    out = b""
    for number, value in fields:
        if isinstance(value, int):
            out += _varint(number << 3) + _varint(value)
        elif isinstance(value, float):
            out += _varint(number << 3 | 5) + struct.pack("<f", value)
        else:
            data = value.encode() if isinstance(value, str) else value
            out += _varint(number << 3 | 2) + _varint(len(data)) + data
    return out


def tensor(name: str, kind: int, dims: list[int], values: list[float]) -> bytes:
    data = struct.pack(f"<{len(values)}{'f' if kind == FLOAT else 'q'}", *values)
    return message(*((1, size) for size in dims), (2, kind), (8, name), (9, data))


def value(name: str, kind: int, dims: list[int | str] | None) -> bytes:
    shape = message(*((1, message((1 if isinstance(dim, int) else 2, dim))) for dim in dims or []))
    fields = [(1, kind)] if dims is None else [(1, kind), (2, shape)]
    return message((1, name), (2, message((1, message(*fields)))))


def node(kind: str, inputs: list[str], outputs: list[str], **attributes: Any) -> bytes:
    encoded = []
    for name, given in attributes.items():
        if isinstance(given, bytes):
            fields = [(1, name), (6, given), (20, 5)]
        elif isinstance(given, list):
            fields = [(1, name), *((8, each) for each in given), (20, 7)]
        else:
            fields = [(1, name), (3, given), (20, 2)]
        encoded.append((5, message(*fields)))
    return message(*((1, each) for each in inputs), *((2, each) for each in outputs), (4, kind), *encoded)


def graph(nodes: list[bytes], constants: list[bytes], inputs: list[bytes], outputs: list[bytes]) -> bytes:
    return message(
        *((1, each) for each in nodes),
        (2, "graph"),
        *((5, each) for each in constants),
        *((11, each) for each in inputs),
        *((12, each) for each in outputs),
    )


def model(body: bytes) -> bytes:
    return message((1, 8), (7, body), (8, message((1, ""), (2, 13))))


def tabular_onnx(weight: float, fault: str = "", rounds: int = 0) -> bytes:
    """softmax(features · W + zero), where ``zero`` is computed by the part that can fail."""
    constants = [
        tensor("w", FLOAT, [2, 3], [weight, 0, 0, 0, weight, 0]),
        tensor("from", FLOAT, [], [ERRS_FROM]),
        tensor("zero", FLOAT, [1], [0.0]),
    ]
    nodes = [
        node("MatMul", ["features", "w"], ["raw"]),
        node("ReduceMax", ["features"], ["top"], keepdims=0),
        node("GreaterOrEqual", ["top", "from"], ["bad"]),
        node("Cast", ["bad"], ["at"], to=INT64),
    ]
    if fault == "errs":
        nodes.append(node("Gather", ["zero", "at"], ["extra"]))
    elif fault == "slow":
        constants += [tensor("times", INT64, [], [rounds]), tensor("start", FLOAT, [], [0.0])]
        loop = graph(
            [node("Identity", ["go"], ["go_on"]), node("Sin", ["sum"], ["sum_on"])],
            [],
            [value("round", INT64, []), value("go", BOOL, []), value("sum", FLOAT, [])],
            [value("go_on", BOOL, []), value("sum_on", FLOAT, [])],
        )
        nodes += [
            node("Mul", ["at", "times"], ["rounds"]),
            node("Loop", ["rounds", "", "start"], ["extra"], body=loop),
        ]
    else:
        nodes.append(node("Gather", ["zero", "none"], ["extra"]))
        constants.append(tensor("none", INT64, [], [0]))
    nodes += [node("Add", ["raw", "extra"], ["sum_"]), node("Softmax", ["sum_"], ["probabilities"], axis=1)]
    return model(
        graph(
            nodes,
            constants,
            [value("features", FLOAT, ["rows", 2])],
            [value("probabilities", FLOAT, ["rows", 3])],
        )
    )


def text_onnx(layers: int = 0) -> bytes:
    """Each label's share of a row's unmasked tokens, times two, at most one: "red red blue" is red and blue.

    ``layers`` multiplications of a wide row for each token with the identity change nothing and take time.
    """
    table = [[float(WORDS[token] == label) for label in LABELS] for token in range(len(WORDS))]
    constants = [
        tensor("table", FLOAT, [len(WORDS), 3], [each for row in table for each in row]),
        tensor("two", FLOAT, [], [2.0]),
        tensor("one", FLOAT, [], [1.0]),
        tensor("last", INT64, [1], [2]),
        tensor("tokens_axis", INT64, [1], [1]),
    ]
    wide = []
    if layers:
        size = 512
        constants += [
            tensor("eye", FLOAT, [size, size], [float(at % (size + 1) == 0) for at in range(size * size)]),
            tensor("widen", FLOAT, [3, size], [float(column == row) for row in range(3) for column in range(size)]),
            tensor("narrow", FLOAT, [size, 3], [float(column == row) for row in range(size) for column in range(3)]),
        ]
        wide = [
            node("MatMul", ["looked_up", "widen"], ["wide_0"]),
            *(node("MatMul", [f"wide_{at}", "eye"], [f"wide_{at + 1}"]) for at in range(layers)),
            node("MatMul", [f"wide_{layers}", "narrow"], ["found"]),
        ]
    nodes = [
        node("Gather", ["table", "token_ids"], ["looked_up" if wide else "found"]),
        *wide,
        node("Cast", ["padding_mask"], ["mask"], to=FLOAT),
        node("Unsqueeze", ["mask", "last"], ["wide"]),
        node("Mul", ["found", "wide"], ["kept"]),
        node("ReduceSum", ["kept", "tokens_axis"], ["sums"], keepdims=0),
        node("ReduceSum", ["mask", "tokens_axis"], ["count"], keepdims=1),
        node("Div", ["sums", "count"], ["shares"]),
        node("Mul", ["shares", "two"], ["doubled"]),
        node("Min", ["doubled", "one"], ["probabilities"]),
    ]
    inputs = [value("token_ids", INT32, ["rows", "tokens"]), value("padding_mask", BOOL, ["rows", "tokens"])]
    return model(graph(nodes, constants, inputs, [value("probabilities", FLOAT, ["rows", 3])]))


def tokenizer_json() -> str:
    frame = [{"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}]
    special = {token: {"id": token, "ids": [WORDS.index(token)], "tokens": [token]} for token in ("[CLS]", "[SEP]")}
    return json.dumps(
        {
            "version": "1.0",
            "truncation": {"direction": "Right", "max_length": 3, "strategy": "LongestFirst", "stride": 0},
            "padding": {
                "strategy": {"Fixed": 9},
                "direction": "Right",
                "pad_to_multiple_of": None,
                "pad_id": 0,
                "pad_type_id": 0,
                "pad_token": "[PAD]",
            },
            "added_tokens": [],
            "normalizer": None,
            "pre_tokenizer": {"type": "Whitespace"},
            "post_processor": {
                "type": "TemplateProcessing",
                "single": [*frame, {"SpecialToken": {"id": "[SEP]", "type_id": 0}}],
                "pair": [*frame, {"SpecialToken": {"id": "[SEP]", "type_id": 0}}],
                "special_tokens": special,
            },
            "decoder": None,
            "model": {
                "type": "WordLevel",
                "vocab": {word: index for index, word in enumerate(WORDS)},
                "unk_token": "[UNK]",
            },
        }
    )


@dataclass(frozen=True)
class ModelStore:
    """Writes sealed version folders below a temporary folder."""

    folder: Path
    tenth: int = TENTH

    def seal(self, version: str, contents: dict[str, bytes], **manifest: Any) -> ModelVersion:
        path = Path(tempfile.mkdtemp(dir=self.folder)) / version
        path.mkdir()
        for name, data in contents.items():
            (path / name).write_bytes(data)
        uri = files.to_uri(path)
        made = ModelManifest(
            workload="colours",
            trainer="by_hand",
            files=folders.digests(uri),
            labels=manifest.pop("labels", LABELS),
            thresholds=manifest.pop("thresholds", (0.4, 0.4, 0.4)),
            export_tolerance=1e-4,
            export_error=0.0,
            dataset=DatasetVersion(workload="colours", uri="file:///none", version=0, until="2024-01-01"),  # type: ignore[arg-type]
            **manifest,
        )
        return ModelVersion(workload="colours", version=version, uri=uri, manifest_sha256=folders.seal(uri, made))

    def tabular(self, version: str, weight: float = 1.0, fault: str = "", rounds: int = TENTH) -> ModelVersion:
        contents = {"model.onnx": tabular_onnx(weight, fault, rounds)}
        return self.seal(version, contents, target_kind="single_label", features=("a", "b"))

    def text(self, version: str, max_length: int = 16, layers: int = 0) -> ModelVersion:
        contents = {"model.onnx": text_onnx(layers), "tokenizer.json": tokenizer_json().encode()}
        return self.seal(version, contents, target_kind="multi_label", features=("text",), max_length=max_length)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> ModelStore:
    return ModelStore(tmp_path_factory.mktemp("models"))


def rollout_of(
    server_files: ServerFiles,
    policy: ServingPolicy,
    candidate: ModelVersion,
    stable: ModelVersion | None,
    rows: Any,
    progress: Callable[[str], None] = lambda _: None,
    **more: Any,
) -> Rollout:
    """A rollout by the server of these files."""
    replacement = Replacement(candidate, stable, policy, rows, progress)
    return Rollout(replacement, ProcessTraffic(replacement, server_files, **more))


def spec_for(server_files: ServerFiles, port: int, policy: ServingPolicy, **access: Any) -> RunSpec:
    dataset = Dataset(
        source=Source(uri_template="file:///none/{partition}.jsonl", format="jsonl"),
        columns=(Column(name="a", type="float64"), Column(name="b", type="float64"), Column(name="c", type="string")),
        features=("a", "b"),
        target=Target(column="c", kind="single_label", labels=LABELS),
        split=Split(key="c"),
    )
    workload = Workload(
        name="colours",
        description="Which colour it is.",
        owner="tests",
        team="tests",
        start="2024-01-01",  # type: ignore[arg-type]
        dataset=dataset,
        training=Training(trainer="by_hand"),
        gate=GatePolicy(quality_floor=0.5),
        serving=policy,
    )
    return RunSpec(
        key=TryKey(dag_id="colours", run_id="run", repeat=0, task_id="serve", try_number=1),
        workload=workload,
        parameters=Parameters(epochs=1, batch_size=1, learning_rate=0.1),
        hardware=Hardware(
            name="here",
            cores=2,
            gflops_per_core=1,
            idle_watts_per_core=1,
            active_watts_per_core=1,
            memory_bytes=1 << 30,
        ),
        attempt_uri=files.join(server_files.uri, "attempt"),
        state_uri=files.join(server_files.uri, "state"),
        task=ServeTask(target_uri=server_files.target_uri, status_uri=server_files.status_uri, port=port, **access),
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Server:
    """A server process, its server files and a client with its address."""

    process: subprocess.Popen[bytes]
    server_files: ServerFiles
    policy: ServingPolicy
    http: httpx.Client
    log: Path
    port: int

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def order(self, stable: ModelVersion, canary: ModelVersion | None = None, percent: int = 0) -> ServingStatus:
        """Write a target and wait until the server has done with it; returns its status."""
        target = self.server_files.write_target(self.policy, stable, canary, percent)
        return self.server_files.wait_for(
            lambda status: status.generation == target.generation and status.state != "loading", "the order", 60
        )

    def infer(self, rows: list[tuple[float, float]], version: str | None = None) -> httpx.Response:
        path = "/v2/models/colours" + (f"/versions/{version}" if version else "") + "/infer"
        return self.http.post(path, json=tabular_body(rows))

    def infer_alone(self, row: tuple[float, float]) -> httpx.Response:
        """Ask for one row in a body that is too large for it to be scored with others."""
        from millrace_serve.scoring import SMALL_BODY_BYTES  # other suites, without it, take models from here

        content = json.dumps(tabular_body([row])).encode() + b" " * (2 * SMALL_BODY_BYTES)
        return self.http.post("/v2/models/colours/infer", content=content)

    def wait_in_flight(self, requests: int) -> None:
        deadline = time.monotonic() + 60
        while self.metric("millrace_requests_in_flight") < requests:
            assert time.monotonic() < deadline

    def metric(self, line_start: str) -> float:
        lines = self.http.get("/metrics").text.splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(line_start))

    def peak_memory_bytes(self) -> int:
        """The most that the process has held since it began."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM:"))

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=60)


StartServer = Callable[..., Server]


def tabular_body(rows: list[tuple[float, float]]) -> dict[str, Any]:
    return {
        "inputs": [
            {"name": name, "datatype": "FP64", "shape": [len(rows)], "data": [row[index] for row in rows]}
            for index, name in enumerate(("a", "b"))
        ]
    }


@pytest.fixture(scope="module")
def start_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartServer]:
    """Start servers; each lives until its module's tests are done, because importing kserve takes seconds."""
    started: list[Server] = []

    def start(
        policy: ServingPolicy | None = None,
        port: int | None = None,
        server_files: ServerFiles | None = None,
        wait: bool = True,
        secrets: Path | None = None,
        **access: bool,
    ) -> Server:
        policy = policy or ServingPolicy()
        tmp_path = tmp_path_factory.mktemp("server")
        server_files = server_files or ServerFiles(files.to_uri(tmp_path / "root"), "colours", KEY)
        chosen = port or free_port()
        spec = spec_for(server_files, chosen, policy, secrets_folder=secrets and str(secrets), **access)
        files.write_bytes(server_files.spec_uri, KEY.signed(server_files.spec_uri, spec))
        log = tmp_path / "server.log"
        with log.open("wb") as stream:
            process = subprocess.Popen(
                [sys.executable, "-m", "millrace_serve", "--spec", server_files.spec_uri, "--verify-key", KEY.public],
                stdout=stream,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
            )
        http = httpx.Client(base_url=f"http://127.0.0.1:{chosen}", timeout=60, trust_env=False)
        server = Server(process, server_files, policy, http, log, chosen)
        started.append(server)
        if wait:
            _until_live(server)
        return server

    yield start
    for server in started:
        server.http.close()
        if server.process.poll() is None:
            server.process.kill()
            server.process.wait()


def _until_live(server: Server) -> None:
    deadline = time.monotonic() + 240  # importing kserve takes seconds, on a busy machine a minute
    while time.monotonic() < deadline:
        if server.process.poll() is not None:
            raise RuntimeError(f"the server ended with {server.process.returncode}:\n{server.log.read_text()}")
        try:
            if server.http.get("/v2/health/live").status_code == 200:
                return
        except httpx.HTTPError:
            time.sleep(0.05)
    raise RuntimeError(f"the server is not live:\n{server.log.read_text()}")


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for localhost, its key, and a token."""
    folder = tmp_path_factory.mktemp("secrets")
    write_secrets(folder, "a-token-of-the-tests")
    return folder


@pytest.fixture(scope="session", name="write_secrets")
def _write_secrets() -> Callable[[Path, str], None]:
    return write_secrets


def write_secrets(folder: Path, token: str) -> None:
    """Put a new certificate and key there, and the token."""
    certificate, key = self_signed(x509.DNSName("localhost"))
    (folder / "tls.crt").write_bytes(certificate)
    (folder / "tls.key").write_bytes(key)
    (folder / "token").write_text(f"{token}\n")
